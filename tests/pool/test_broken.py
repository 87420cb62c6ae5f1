"""What broke a process is not tried again at once: it would only break another, and take its whole time for it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.pool.processes import ProcessPool
from tests.journeys.server import wait_for
from tests.pool import work

SECONDS = 0.5


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(processes=1, seconds=SECONDS, patience=0.1)
    pool.run_blocking(work.own_pid)
    yield pool
    pool.close()


def begun(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def has_begun(log: Path, times: int) -> bool:
    return len(begun(log)) == times


@pytest.mark.parametrize(("how", "says"), [("crash", "signal 6"), ("hang", "killed after 0.5 seconds")])
def test_the_same_call_is_answered_in_the_same_way_at_once(
    pool: ProcessPool, tmp_path: Path, how: str, says: str
) -> None:
    log = tmp_path / "log"
    with pytest.raises(BackendFailed, match=says) as first:
        pool.run_blocking(work.break_down, str(log), how)
    with pytest.raises(BackendFailed, match=says) as again:
        pool.run_blocking(work.break_down, str(log), how, told="what becomes of it does not matter")
    assert (first.value.passing, again.value.passing) == (False, False)
    assert len(begun(log)) == 1


def test_another_call_on_the_same_file_is_tried(pool: ProcessPool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for how in ("crash", "hang"):
        with pytest.raises(BackendFailed):
            pool.run_blocking(work.break_down, str(log), how)
    assert pool.run_blocking(work.begin, str(log), 0.0) == 3


async def test_those_that_wait_are_answered_with_the_first(pool: ProcessPool, tmp_path: Path) -> None:
    calls = [pool.run(work.break_down, str(tmp_path / "log"), "hang") for _ in range(8)]
    began = time.monotonic()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {str(end) for end in ends} == {"killed after 0.5 seconds of work on one image"}
    assert len(begun(tmp_path / "log")) <= 3
    assert time.monotonic() - began < 6 * SECONDS


def test_it_is_tried_again_after_a_while(tmp_path: Path) -> None:
    pool = ProcessPool(processes=1, broken_seconds=0.0)
    for _ in range(2):
        with pytest.raises(BackendFailed):
            pool.run_blocking(work.break_down, str(tmp_path / "log"), "crash")
    pool.close()
    assert len(begun(tmp_path / "log")) == 2


def test_what_somebody_else_ended_may_be_tried_again(tmp_path: Path) -> None:
    pool, log = ProcessPool(processes=1), tmp_path / "log"
    with ThreadPoolExecutor(1) as thread:
        for before in range(2):
            call = thread.submit(pool.run_blocking, work.break_down, str(log), "hang")
            wait_for(partial(has_begun, log, before + 1), "its begin")
            os.kill(int(begun(log)[-1]), signal.SIGKILL)
            with pytest.raises(BackendFailed, match="signal 9") as killed:
                call.result(30)
            assert killed.value.passing
    pool.close()


def test_memory_depends_on_what_becomes_of_it_so_that_is_tried_again(tmp_path: Path) -> None:
    pool = ProcessPool(processes=1, memory=256 << 20)
    for _ in range(2):
        with pytest.raises(BackendFailed, match="memory"):
            pool.run_blocking(work.break_down, str(tmp_path / "log"), "eat")
    pool.close()
    assert len(begun(tmp_path / "log")) == 2
