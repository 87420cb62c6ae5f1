"""A decoder that crashes, leaves, hangs or eats memory costs its own request, with a reason; the next one is served."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, cast

import pytest

from dicomweb_server.dicom.drawing import PRELOAD
from dicomweb_server.pool.processes import ProcessPool
from tests.pool import work
from tests.pool.work import hang_on
from tests.web.retrieving import Door, door

P = ParamSpec("P")
R = TypeVar("R")

RLE, CINE, REPORT = "generated/ts/ct_rle.dcm", "generated/mod/nm_dynamic_8frames.dcm", "generated/mod/sr_enhanced.dcm"
SECONDS = 3.0
BAD: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "crash": (work.crash, ()),
    "leave": (work.leave, ()),
    "hang": (work.hang, ()),
    "eat": (work.eat, (2 << 30,)),
}


@dataclass
class Decoders:
    """Real processes; in place of what is asked of them first comes what is named in ``next``."""

    processes: ProcessPool
    next: list[str] = field(default_factory=list)
    hangs_on: str | None = None
    """Part of the path of a file that no decoder comes to the end of."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self.hangs_on and self.hangs_on in str(args[0]):
            await self.processes.run(hang_on, *cast(Any, args), **cast(Any, kwargs))
        if self.next:
            bad, given = BAD[self.next.pop()]
            await self.processes.run(bad, *given)
        return await self.processes.run(work, *args, **kwargs)

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return self.processes.run_blocking(work, *args, **kwargs)

    def close(self) -> None:
        self.processes.close()


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    pool = Decoders(ProcessPool(processes=2, seconds=SECONDS, memory=1 << 30, preload=PRELOAD))
    pool.run_blocking(work.own_pid)
    yield pool
    pool.close()


@pytest.fixture
def held(tmp_path: Any, decoders: Decoders) -> Iterator[Door]:
    """Anew each time: what was made once is not made again."""
    with door(tmp_path, RLE, CINE, REPORT, pool=decoders) as found:
        yield found


def asked(held: Door, what: str) -> tuple[str, str]:
    """Path and Accept."""
    key = held.keys[RLE]
    by_uid = f"/wado?requestType=WADO&studyUID={key.study}&seriesUID={key.series}&objectUID={key.instance}"
    return {
        "rendered": (held.at(RLE) + "/rendered", "image/png"),
        "frame rendered": (held.at(RLE) + "/frames/1/rendered", "image/jpeg"),
        "wado": (by_uid, "image/jpeg"),
        "frame": (held.at(RLE) + "/frames/1", "application/octet-stream"),
        "instance": (held.at(RLE), "application/dicom"),
        "wado file": (by_uid + "&contentType=application/dicom", "*/*"),
        "animation": (held.at(CINE) + "/rendered", "image/gif"),
        "frames of a list": (held.at(RLE) + "/frames/1,1/rendered", 'multipart/related; type="image/png"'),
        "report": (held.at(REPORT) + "/rendered", "text/html"),
        "series": (held.at(RLE).partition("/instances/")[0] + "/rendered", 'multipart/related; type="image/png"'),
    }[what]


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        *(("rendered", bad) for bad in BAD),
        *(("frame", bad) for bad in BAD),
        *((what, "crash") for what in ("frame rendered", "wado", "instance", "wado file", "series", "report")),
        *((what, "crash") for what in ("animation", "frames of a list")),
        ("animation", "hang"),
        ("wado", "eat"),
        ("instance", "eat"),
    ],
)
async def test_it_is_refused_with_a_reason_and_the_next_is_served(
    held: Door, decoders: Decoders, what: str, bad: str
) -> None:
    path, accept = asked(held, what)
    decoders.next = [bad]
    refused = await held.get(path, accept)
    assert refused.status_code == 406
    assert {"crash": "died", "leave": "died", "hang": "killed", "eat": "memory"}[bad] in refused.text
    assert decoders.next == []
    answer = await held.get(path, accept)
    assert answer.status_code == 200, answer.text
    assert len(decoders.processes.pids) <= 2


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("query", ["", "?viewport=300,300"])
async def test_a_thumbnail_is_then_the_icon(held: Door, decoders: Decoders, bad: str, query: str) -> None:
    decoders.next = [bad]
    icon = await held.get(f"{held.at(RLE)}/thumbnail{query}", "image/jpeg")
    assert icon.status_code == 200
    picture = await held.get(f"{held.at(RLE)}/thumbnail{query}", "image/jpeg")
    assert picture.status_code == 200
    assert picture.content != icon.content


async def test_what_hangs_costs_its_time_once_not_at_each_request(held: Door, decoders: Decoders) -> None:
    decoders.hangs_on = held.keys[RLE].instance
    picture = f"{held.at(RLE)}/rendered?window="
    try:
        first = await held.get(picture + "40,400,linear", "image/png")
        began = time.monotonic()
        again = [await held.get(f"{picture}{width},400,linear", "image/png") for width in range(20)]
        assert time.monotonic() - began < SECONDS
    finally:
        decoders.hangs_on = None
    assert {answer.status_code for answer in [first, *again]} == {406}
    assert {"killed after 3 seconds of work" in answer.text for answer in [first, *again]} == {True}


async def test_a_picture_whose_decoder_somebody_else_ended_may_be_asked_for_again(
    held: Door, decoders: Decoders
) -> None:
    decoders.hangs_on = held.keys[RLE].instance
    asked_for = asyncio.ensure_future(held.get(f"{held.at(RLE)}/rendered", "image/png"))
    try:
        while not asked_for.done():
            for pid in decoders.processes.pids:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
    finally:
        decoders.hangs_on = None
    refused = asked_for.result()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert (await held.get(f"{held.at(RLE)}/rendered", "image/png")).status_code == 200
