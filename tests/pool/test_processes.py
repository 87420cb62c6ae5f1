"""The pool survives whatever a decoder does."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicomweb_server.model.errors import BackendFailed, NotReady, OutOfResources
from dicomweb_server.pool.processes import ProcessPool
from tests.pool import work
from tests.run.test_supervisor import gone


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(processes=2, seconds=1.0, memory=256 << 20, idle_seconds=30.0)
    yield pool
    pool.close()


def test_no_process_runs_before_the_first_call() -> None:
    pool = ProcessPool(processes=2)
    assert pool.pids == set()
    pool.close()


def test_work_runs_in_another_process_that_is_used_again(pool: ProcessPool) -> None:
    first = pool.run_blocking(work.own_pid)
    assert first in pool.pids
    assert pool.run_blocking(work.own_pid) == first


async def test_work_can_be_awaited(pool: ProcessPool) -> None:
    answers = await asyncio.gather(*(pool.run(work.double, number) for number in range(20)))
    assert answers == [number * 2 for number in range(20)]
    assert len(pool.pids) <= 2


async def test_a_long_answer_comes_whole(pool: ProcessPool) -> None:
    await pool.run(work.own_pid)
    assert await pool.run(bytes, 5 << 20) == bytes(5 << 20)


async def test_a_process_that_died_while_idle_costs_no_call() -> None:
    pool = ProcessPool(processes=1)
    for _ in range(2):
        os.kill(await pool.run(work.own_pid), signal.SIGKILL)
        await asyncio.sleep(0.1)
        assert await pool.run(work.double, 21) == 42
    pool.close()


async def test_what_dies_while_it_is_awaited_costs_one_call() -> None:
    pool = ProcessPool(processes=1)
    await pool.run(work.own_pid)
    with pytest.raises(BackendFailed, match="signal 6"):
        await pool.run(work.crash)
    assert await pool.run(work.double, 21) == 42
    pool.close()


async def test_who_waits_when_the_pool_is_closed_is_told() -> None:
    pool = ProcessPool(processes=1)
    await pool.run(work.own_pid)
    calls = [asyncio.ensure_future(pool.run(work.hang)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await asyncio.to_thread(pool.close)
    ends = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
    assert {type(end) for end in ends} == {BackendFailed}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (work.crash, "signal 6"),
        (work.leave, "exit 3"),
        (work.leave_well, "exit 0"),
        (work.hang, "killed after 1 seconds"),
    ],
    ids=["crash", "exit", "exit without failure", "hang"],
)
def test_a_dying_process_costs_one_call(pool: ProcessPool, bad: Callable[[], None], says: str) -> None:
    with pytest.raises(BackendFailed, match=says):
        pool.run_blocking(bad)
    assert pool.run_blocking(work.double, 21) == 42


def test_a_call_that_works_on_many_images_has_the_time_of_each(pool: ProcessPool) -> None:
    assert pool.run_blocking(work.several, 3, 0.6) == 3
    with pytest.raises(BackendFailed, match="killed after 1 seconds of work on one image"):
        pool.run_blocking(work.several, 2, 1.5)


def test_but_not_for_ever() -> None:
    pool = ProcessPool(processes=1, longest_seconds=0.5)
    with pytest.raises(BackendFailed, match=r"killed after 0\.5 seconds of work on many images"):
        pool.run_blocking(work.several, 100, 0.1)
    pool.close()


def test_a_process_that_eats_memory_is_stopped(pool: ProcessPool) -> None:
    eater = pool.run_blocking(work.own_pid)
    with pytest.raises(BackendFailed, match="memory"):
        pool.run_blocking(work.eat, 1 << 30)
    assert pool.run_blocking(work.eat, 1 << 20) == 1 << 20
    assert eater not in pool.pids


def test_what_hangs_ends_also_where_its_owner_was_killed(tmp_path: Path) -> None:
    """It stayed for ever, and the fork server with it."""
    code = "from tests.pool import work; work.own_a_hang(0.5)"
    with (tmp_path / "pid").open("w") as told:
        killed = subprocess.run([sys.executable, "-c", code], stdout=told, timeout=30, check=False)
    assert killed.returncode == -signal.SIGKILL
    hanging = int((tmp_path / "pid").read_text())
    os.kill(hanging, 0)  # it is still there
    assert gone(hanging)


async def test_a_hang_does_not_hold_up_the_other_process(pool: ProcessPool) -> None:
    hanging = asyncio.ensure_future(pool.run(work.hang))
    assert await pool.run(work.double, 4) == 8
    with pytest.raises(BackendFailed):
        await hanging


async def test_when_too_many_wait_the_next_is_told_to_come_again() -> None:
    """H-25"""
    pool = ProcessPool(processes=1, seconds=0.5, most_waiting=1)
    calls = [asyncio.ensure_future(pool.run(work.hang)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OutOfResources):
        await pool.run(work.double, 4)
    for call in calls:
        with pytest.raises(BackendFailed):
            await call
    assert await pool.run(work.double, 4) == 8
    pool.close()


def test_an_error_of_ours_comes_through_with_its_attributes(pool: ProcessPool) -> None:
    with pytest.raises(NotReady) as caught:
        pool.run_blocking(work.not_ready)
    assert caught.value.retry_after == 7.0


def test_a_full_disk_is_told_to_come_again(pool: ProcessPool) -> None:
    with pytest.raises(OutOfResources, match="No space left"):
        pool.run_blocking(work.write_too_much)


def test_any_other_error_is_named_but_not_quoted(pool: ProcessPool) -> None:
    with pytest.raises(BackendFailed, match=r"^KeyError in a pool process$"):
        pool.run_blocking(work.stumble)


def test_an_idle_process_leaves_and_the_next_call_starts_another() -> None:
    pool = ProcessPool(processes=1, idle_seconds=0.05)
    first = pool.run_blocking(work.own_pid)
    deadline = time.monotonic() + 30
    while pool.pids and time.monotonic() < deadline:
        multiprocessing.active_children()
    assert pool.run_blocking(work.own_pid) != first
    pool.close()


def test_a_closed_pool_says_so() -> None:
    pool = ProcessPool(processes=1)
    pool.close()
    with pytest.raises(BackendFailed, match="closed"):
        pool.run_blocking(work.double, 1)
