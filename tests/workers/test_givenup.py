"""A ticket that was given up: the row says so, somebody is told, and sending it again mends it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dicomweb_server.assembly.alerts import open_notices
from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.loading import load
from dicomweb_server.model.collections import Action, Collection, Member, Phase
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import InstanceKey, StudyKey
from dicomweb_server.model.messages import Kind, Lease, Ticket
from dicomweb_server.model.results import Failed, Result
from dicomweb_server.model.states import State
from dicomweb_server.notices.log import LogNotices
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.workers.givenup import GivenUp
from dicomweb_server.workers.loop import Worker
from tests.holding import Holding, holding
from tests.web.making import HerePool

NAME = "generated/ts/ct_evle.dcm"


class Told(BaseHTTPRequestHandler):
    bodies: list[dict[str, object]]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, object]]]]:
    Told.bodies = []
    server = HTTPServer(("127.0.0.1", 0), Told)
    running = threading.Thread(target=server.serve_forever)
    running.start()
    yield f"http://127.0.0.1:{server.server_port}/", Told.bodies
    server.shutdown()
    running.join()
    server.server_close()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path / "data") as opened:
        yield opened


def hopeless(tickets: Sequence[Ticket]) -> list[Result]:
    return [Failed(BackendFailed("a decoder process died (signal 11)", passing=False)) for _ in tickets]


def given_up(held: Holding, webhook: str) -> InstanceKey:
    key = held.take_all([NAME])[NAME]
    settings, _ = load(environment={}, flags={"notices.webhook": webhook})
    handler = GivenUp(held.catalog, open_notices(settings))
    queue = SqlQueue(held.catalog.database)
    queue.put([Ticket(Kind.PREPROCESS, key)])
    Worker(queue, MemorySignals(), {Kind.PREPROCESS: hopeless}, "one", given_up=handler).work_once()
    handler.close()
    return key


def state(held: Holding, key: InstanceKey) -> tuple[State, str | None, int]:
    (standing,) = held.catalog.progress.standing(key)
    return standing.state, standing.reason, standing.attempts


def test_the_row_says_why_and_the_instance_is_still_served(
    held: Holding, webhook: tuple[str, list[dict[str, object]]]
) -> None:
    key = given_up(held, webhook[0])
    assert state(held, key) == (State.FAILED, "a decoder process died (signal 11)", 1)
    assert held.objects.stat(held.catalog.holdings.version(key).object_key).size > 0


@pytest.mark.parametrize(
    ("kind", "claimed", "states"),
    [
        (Kind.FETCH, False, [State.FAILED, State.QUEUED]),
        (Kind.FETCH, True, [State.FAILED, State.QUEUED]),
        (Kind.CACHE_SERIES, False, [State.FAILED, State.FAILED]),
    ],
)
def test_nothing_waits_for_what_was_given_up(held: Holding, kind: Kind, claimed: bool, states: list[State]) -> None:
    """The worker died of it time after time, or the source could not list the series."""
    keys = [InstanceKey("1.2", "1.2.3", f"1.2.3.{n}") for n in (4, 5)]
    listed = [{"00080018": {"vr": "UI", "Value": [key.instance]}} for key in keys]
    series = keys[0].of_series
    held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(series, {}, listed)])
    held.catalog.pulling.want([Ticket(Kind.FETCH, key) for key in keys])
    if claimed:
        held.catalog.pulling.claim(keys[:1])
    handler = GivenUp(held.catalog, LogNotices())
    handler(Lease(1, Ticket(kind, keys[0] if kind is Kind.FETCH else series), 5, 0.0), "no answer")
    handler.close()
    standing = held.catalog.progress.standing(series)
    assert [each.state for each in standing] == states
    assert (standing[0].reason, standing[0].attempts) == ("no answer", 5)


@pytest.mark.parametrize("collected", [True, False])
def test_what_is_only_announced_can_be_asked_for_again_unless_a_collection_waits_for_it(
    held: Holding, collected: bool
) -> None:
    key = InstanceKey("1.2", "1.2.3", "1.2.3.4")
    listed = [{"00080018": {"vr": "UI", "Value": [key.instance]}}]
    held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(key.of_series, {}, listed)])
    if collected:
        asked = Collection("c", Action.STORE, Phase.REQUESTED, {"studies": ["1.2"]}, 0.0)
        assert held.catalog.collections.create(asked)
        assert held.catalog.collections.described("c", [Member("1.2")])
    handler = GivenUp(held.catalog, LogNotices())
    handler(Lease(1, Ticket(Kind.CACHE_SERIES, key.of_series), 5, 0.0), "no answer")
    handler.close()
    assert state(held, key)[0] is (State.FAILED if collected else State.ANNOUNCED)


def test_somebody_is_told_what_and_why(held: Holding, webhook: tuple[str, list[dict[str, object]]]) -> None:
    key = given_up(held, webhook[0])
    (told,) = webhook[1]
    assert (told["subject"], told["about"]) == ("dead-letter", "preprocess")
    assert "signal 11" in str(told["text"])
    assert told["facts"] == {"study": key.study, "series": key.series, "instance": key.instance}


def test_a_webhook_that_is_down_costs_nobody_anything(held: Holding) -> None:
    assert state(held, given_up(held, "http://127.0.0.1:1/"))[0] is State.FAILED


def test_sent_again_and_worked_off_it_is_ready(held: Holding, webhook: tuple[str, list[dict[str, object]]]) -> None:
    key = given_up(held, webhook[0])
    queue = SqlQueue(held.catalog.database)
    assert queue.redrive([letter.id for letter in queue.dead_letters()]) == 1
    stage = Preprocess(held.objects, held.catalog, HerePool())
    Worker(queue, MemorySignals(), {Kind.PREPROCESS: stage}, "two").work_once()
    assert state(held, key)[:2] == (State.READY, None)
