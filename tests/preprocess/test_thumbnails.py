"""Stored instances get their picture and become ready, whatever their pixels are like."""

from __future__ import annotations

import io
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from PIL import Image

from dicomweb_server.assembly import Backends, open_backends, open_receive
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Door, Fate, Origin
from dicomweb_server.model.results import DONE, Done, Failed
from dicomweb_server.model.states import State
from dicomweb_server.notices.log import LogNotices
from dicomweb_server.objects import layout
from dicomweb_server.pool.processes import ProcessPool
from dicomweb_server.preprocess.drawing import write_htj2k
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.settings import Settings, Storage
from dicomweb_server.workers.givenup import GivenUp
from dicomweb_server.workers.loop import Worker
from tests.corpus import path
from tests.web.making import HerePool

P = ParamSpec("P")
R = TypeVar("R")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(storage=Storage(data=str(tmp_path)))


@pytest.fixture
def backends(settings: Settings) -> Iterator[Backends]:
    with open_backends(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    made = ProcessPool(processes=1, seconds=20)
    yield made
    made.close()


def stored(settings: Settings, backends: Backends, *names: str) -> list[InstanceKey]:
    with open_receive(settings, backends) as receive:
        keys = []
        for name in names:
            staged = receive.stage()
            shutil.copyfile(path(name), staged)
            keys.append(receive.submit(staged, Origin(Door.IMPORT)).result().key)
    return keys


def tickets(keys: Sequence[InstanceKey]) -> list[Ticket]:
    return [Ticket(Kind.PREPROCESS, key) for key in keys]


def picture(backends: Backends, key: InstanceKey) -> Image.Image:
    version = backends.catalog.holdings.version(key)
    local = backends.objects.local(layout.thumbnail(key, version.version))
    assert local is not None
    return Image.open(io.BytesIO(Path(local).read_bytes()))


FILES = (
    "generated/ts/ct_evle.dcm",
    "generated/encap/us_jpeg_bot_1frag.dcm",
    "generated/mod/sr_enhanced.dcm",
    "generated/mod/video_hevc.dcm",
)
UNDECODABLE = "malformed/ts_lie_jls.dcm"


def test_every_stored_instance_gets_a_picture_and_is_ready(
    settings: Settings, backends: Backends, pool: ProcessPool
) -> None:
    keys = stored(settings, backends, *FILES)
    assert Preprocess(backends.objects, backends.catalog, pool)(tickets(keys)) == [DONE] * len(FILES)
    assert {picture(backends, key).format for key in keys} == {"JPEG"}
    assert backends.catalog.progress.totals()["ready"] == len(FILES)


def test_doing_it_twice_ends_the_same(settings: Settings, backends: Backends, pool: ProcessPool) -> None:
    keys = stored(settings, backends, FILES[0])
    stage = Preprocess(backends.objects, backends.catalog, pool)
    assert stage(tickets(keys)) == stage(tickets(keys)) == [DONE]
    assert backends.catalog.progress.totals()["ready"] == 1


def test_what_was_deleted_meanwhile_is_done(backends: Backends, pool: ProcessPool) -> None:
    stage = Preprocess(backends.objects, backends.catalog, pool)
    assert stage(tickets([InstanceKey("1.2", "1.2.3", "1.2.3.4")])) == [DONE]


class MeanwhilePool(HerePool):
    """Something happens while it draws."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        drawn = work(*args, **kwargs)
        self._meanwhile()
        return drawn


def replaced(backends: Backends, key: InstanceKey) -> None:
    """By a content of the same length, that differs in its last byte."""
    before = backends.catalog.holdings.version(key)
    body = bytearray(Path(str(backends.objects.local(before.object_key))).read_bytes())
    body[-1] ^= 1
    commit = GroupCommit(backends.objects, backends.catalog.holdings, backends.signals, policy=Policy.REPLACE)
    receive = Receive(commit)
    staged = receive.stage()
    staged.write_bytes(body)
    assert receive.submit(staged, Origin(Door.STOW)).result().fate is Fate.REPLACED
    receive.close()


def test_a_replacement_that_comes_while_the_old_one_is_drawn_is_drawn_itself(
    settings: Settings, backends: Backends
) -> None:
    (key,) = stored(settings, backends, FILES[0])
    old = backends.catalog.holdings.version(key)
    pool = MeanwhilePool(lambda: replaced(backends, key))
    assert Preprocess(backends.objects, backends.catalog, pool)(tickets([key])) == [DONE]
    assert backends.catalog.progress.totals()["stored"] == 1, "not ready by the picture of another"
    assert backends.catalog.holdings.version(key).version != old.version
    assert Preprocess(backends.objects, backends.catalog, HerePool())(tickets([key])) == [DONE]
    assert backends.catalog.progress.totals()["ready"] == 1
    assert picture(backends, key).format == "JPEG"


def test_what_is_deleted_while_it_is_drawn_leaves_no_picture(settings: Settings, backends: Backends) -> None:
    (key,) = stored(settings, backends, FILES[0])
    delete = Delete(backends.objects, backends.catalog.holdings, backends.signals)
    pool = MeanwhilePool(lambda: delete(key))
    assert Preprocess(backends.objects, backends.catalog, pool)(tickets([key])) == [DONE]
    assert list(backends.objects.list()) == []


def test_what_cannot_be_decoded_is_ready_with_an_icon_and_its_row_says_why(
    settings: Settings, backends: Backends, pool: ProcessPool
) -> None:
    good, bad = stored(settings, backends, FILES[0], UNDECODABLE)
    assert Preprocess(backends.objects, backends.catalog, pool)(tickets([good, bad])) == [DONE, DONE]
    (fine,), (odd,) = (backends.catalog.progress.standing(key) for key in (good, bad))
    assert (fine.state, fine.reason) == (State.READY, None)
    assert odd.state is State.READY
    assert odd.reason
    assert picture(backends, bad).format == "JPEG"


class BreakingPool(ProcessPool):
    """Its processes end themselves, or are ended, whatever they are to draw."""

    ended_by = signal.SIGABRT

    def run_blocking(self, work, *args, **kwargs):  # type: ignore[no-untyped-def]
        return super().run_blocking(signal.raise_signal, self.ended_by)


@pytest.mark.parametrize(("ended_by", "tries"), [(signal.SIGABRT, 1), (signal.SIGSEGV, 1), (signal.SIGKILL, 5)])
def test_what_breaks_decoders_is_tried_again_only_where_somebody_else_may_have_ended_them(
    settings: Settings, backends: Backends, ended_by: signal.Signals, tries: int
) -> None:
    """An operator, the kernel, the end of a service."""
    (key,) = stored(settings, backends, FILES[0])
    now = time.time()
    queue = SqlQueue(backends.catalog.database, now=lambda: now)  # type: ignore[attr-defined]
    pool = BreakingPool(processes=1)
    pool.ended_by = ended_by
    given_up = GivenUp(backends.catalog, LogNotices())
    stage = Preprocess(backends.objects, backends.catalog, pool)
    worker = Worker(queue, backends.signals, {Kind.PREPROCESS: stage}, "one", given_up=given_up)
    for _ in range(tries):
        assert queue.dead_letters() == []
        assert worker.work_once() == 1
        now += 60
    given_up.close()
    pool.close()
    (letter,) = queue.dead_letters()
    assert (letter.attempts, letter.reason) == (tries, f"a decoder process died (signal {ended_by.value})")
    (standing,) = backends.catalog.progress.standing(key)
    assert (standing.state, standing.attempts) == (State.FAILED, tries)


class WithoutHtj2k(ProcessPool):
    """Every attempt at HTJ2K ends the process."""

    def run_blocking(self, work, *args, **kwargs):  # type: ignore[no-untyped-def]
        return super().run_blocking(os.abort if work is write_htj2k else work, *args, **kwargs)


def test_an_encoder_that_dies_leaves_the_instance_ready_as_it_is_stored(settings: Settings, backends: Backends) -> None:
    keys = stored(settings, backends, FILES[0])
    pool = WithoutHtj2k(processes=1, seconds=20)
    try:
        done = Preprocess(backends.objects, backends.catalog, pool, htj2k=True)(tickets(keys))
    finally:
        pool.close()
    assert done == [DONE]
    assert backends.catalog.progress.totals()["ready"] == 1
    version = backends.catalog.holdings.version(keys[0])
    kept = backends.objects.local(layout.htj2k(keys[0], version.version))
    assert kept is None or not Path(kept).exists()
    assert list(backends.objects.staging().glob("*.htj2k")) == []


class CrashingPool(ProcessPool):
    """Dies on the one file that ``poison`` names."""

    poison = ""

    def run_blocking(self, work, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.poison in args[0]:
            return super().run_blocking(os.abort)
        return super().run_blocking(work, *args, **kwargs)


def test_one_that_breaks_the_decoder_fails_alone(settings: Settings, backends: Backends) -> None:
    keys = stored(settings, backends, *FILES)
    pool = CrashingPool(processes=1, seconds=20)
    pool.poison = str(backends.objects.local(backends.catalog.holdings.version(keys[1]).object_key))
    try:
        results = Preprocess(backends.objects, backends.catalog, pool)(tickets(keys))
    finally:
        pool.close()
    assert [type(result) for result in results] == [Done, Failed, Done, Done]
    assert isinstance(results[1], Failed)
    assert isinstance(results[1].error, BackendFailed)
    assert backends.catalog.progress.totals()["ready"] == len(FILES) - 1
