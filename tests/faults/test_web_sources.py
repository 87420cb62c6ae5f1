"""A DICOMweb source that breaks off, is busy, silent or lies: all ends ready or given up with a reason."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb_server.web.app import make_app
from tests.faults.ending import assert_all_ready, at_rest, status
from tests.faults.sending import made
from tests.journeys.server import RunningServer, wait_for
from tests.pulling.peers import in_front_of, web_table
from tests.web.retrieving import door
from tests.web.serving import serving

STUDY = "1.2.30"
FAULTS = (
    *("", "is busy for a while", "is always busy", "never answers", "breaks off"),
    *("sends another", "sends nothing", "sends no DICOM", "does not have it"),
)
FILES = made(STUDY, len(FAULTS))
SICK = {uid: fault for uid, fault in zip(FILES, FAULTS, strict=True) if fault}
"""What goes wrong with each instance."""
COMPLETES = {"", "is busy for a while"}
OTHER = f"/dicomweb/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.0"
SOON = ("--set", "work.attempts=2", "--set", "cache.fetchers=8")


class Faulty:
    """A source whose answers for some instances go wrong until it is healed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.sick = True
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        instance = scope.get("path", "").partition("/instances/")[2]
        fault = SICK.get(instance, "") if self.sick else ""
        self.asked[fault] += 1
        match fault:
            case "is busy for a while" if self.asked[fault] <= 2:
                await _answer(send, 429, b"", ("retry-after", "1"))
            case "is always busy":
                await _answer(send, 503, b"", ("retry-after", "0"))
            case "never answers":
                await asyncio.sleep(3)
                await _answer(send, 503, b"")
            case "breaks off":
                await self._app(scope, receive, _broken(send))
            case "sends another":
                await self._app({**scope, "path": OTHER}, receive, send)
            case "sends nothing":
                await _answer(send, 204, b"")
            case "sends no DICOM":
                await _answer(send, 200, b"<html>Welcome</html>", ("content-type", "text/html"))
            case "does not have it":
                await _answer(send, 404, b"")
            case _:
                await self._app(scope, receive, send)


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[str, str]) -> None:
    coded = [(name.encode(), value.encode()) for name, value in (*headers, ("content-length", str(len(body))))]
    await send({"type": "http.response.start", "status": status, "headers": coded})
    await send({"type": "http.response.body", "body": body})


def _broken(send: Send) -> Send:
    async def half(message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            await send({"type": "http.response.body", "body": message["body"][:100], "more_body": True})
            raise ConnectionResetError
        await send(message)

    return half


def test_a_faulty_source_leaves_nothing_undecided(tmp_path: Path) -> None:
    with door(tmp_path / "source") as held:
        for body in FILES.values():
            held.held.take_bytes(body)
        source = Faulty(make_app(held.services))
        with serving(source) as (host, port):
            table = web_table(f"http://{host}:{port}/dicomweb") + "timeout_seconds = 1\nconnections = 8\n"
            with in_front_of(tmp_path / "front", table, extra=SOON) as server:
                ends_decided(server, source)


def ends_decided(server: RunningServer, source: Faulty) -> None:
    fetched = server.cli("fetch", STUDY, "--config", server.data.parent / "settings.toml")
    assert fetched.returncode == 0, fetched.stderr
    wait_for(lambda: at_rest(server), "the end of all work", seconds=120)
    letters = [json.loads(line) for line in server.cli("dead-letters", "list").stdout.splitlines()]
    failed = {uid for uid, fault in SICK.items() if fault not in COMPLETES}
    assert {letter["instance"] for letter in letters} == failed
    assert all(letter["reason"] for letter in letters)
    assert status(server)["holds"]["ready"] == len(FILES) - len(failed)
    assert source.asked["is always busy"] > source.asked["does not have it"] == 1
    source.sick = False
    assert server.cli("dead-letters", "requeue").returncode == 0
    assert_all_ready(server, FILES)
