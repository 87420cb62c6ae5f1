"""Work that takes long does not hold up work that takes milliseconds, and nobody holds up everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb_server.pool.base import CALLER
from dicomweb_server.pool.fair import Fair
from dicomweb_server.pool.processes import ProcessPool
from tests.pool import work

PATIENCE = 0.3


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(processes=2, seconds=4.0, patience=PATIENCE)
    pool.run_blocking(work.own_pid)
    yield pool
    pool.close()


async def test_what_hangs_makes_way(pool: ProcessPool) -> None:
    hanging = [asyncio.ensure_future(pool.run(work.hang)) for _ in range(8)]
    await asyncio.sleep(0)
    began = time.monotonic()
    assert await pool.run(work.double, 21) == 42
    assert time.monotonic() - began < 3.0
    assert not any(call.done() for call in hanging)
    assert len(pool.pids) <= 4
    for call in hanging:
        call.cancel()


async def test_what_is_slow_is_left_alone_while_nobody_waits(pool: ProcessPool, tmp_path: Path) -> None:
    assert await pool.run(work.begin, str(tmp_path / "log"), 2 * PATIENCE) == 1


async def test_what_makes_way_goes_on_where_it_is(pool: ProcessPool, tmp_path: Path) -> None:
    slow = [asyncio.ensure_future(pool.run(work.begin, str(tmp_path / name), 4 * PATIENCE)) for name in "ab"]
    await asyncio.sleep(PATIENCE / 2)
    assert await pool.run(work.double, 4) == 8
    assert not any(call.done() for call in slow)
    assert await asyncio.gather(*slow) == [1, 1]


async def test_what_finds_the_slow_lane_full_begins_again(pool: ProcessPool, tmp_path: Path) -> None:
    hanging = [asyncio.ensure_future(pool.run(work.take, str(number), 5 * PATIENCE)) for number in range(3)]
    slow = [asyncio.ensure_future(pool.run(work.begin, str(tmp_path / name), 2 * PATIENCE)) for name in "abc"]
    begun = await asyncio.gather(*slow)
    assert max(begun) == 2
    await asyncio.gather(*hanging)


async def test_what_has_to_begin_again_has_not_waited_while_it_worked() -> None:
    """It was told to come again because too many wait."""
    pool = ProcessPool(processes=1, seconds=0.6, patience=0.2)
    await pool.run(work.own_pid)
    first = asyncio.ensure_future(pool.run(work.several_of, "first", 12, 0.2))
    await asyncio.sleep(0.3)
    await pool.run(work.double, 1)
    second = asyncio.ensure_future(pool.run(work.several_of, "second", 10, 0.2))
    await asyncio.sleep(1.6)
    await pool.run(work.double, 1)
    assert list(await asyncio.gather(first, second)) == [12, 10]
    pool.close()


async def test_what_was_slow_does_not_come_into_the_way_again(pool: ProcessPool) -> None:
    first = [asyncio.ensure_future(pool.run(work.take, "slow", 2 * PATIENCE)) for _ in range(3)]
    await asyncio.gather(*first)
    again = [asyncio.ensure_future(pool.run(work.take, "slow", 2 * PATIENCE)) for _ in range(4)]
    await asyncio.sleep(0)
    await pool.run(work.double, 4)
    assert not any(call.done() for call in again)
    await asyncio.gather(*again)


async def test_callers_take_turns() -> None:
    pool = ProcessPool(processes=1)
    pool.run_blocking(work.own_pid)
    many = [asyncio.ensure_future(pool.run(work.take, str(number), 0.05)) for number in range(20)]
    await asyncio.sleep(0)
    CALLER.set("another")
    assert await pool.run(work.double, 4) == 8
    assert sum(call.done() for call in many) <= 3
    await asyncio.gather(*many)
    pool.close()


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    pool = ProcessPool(processes=1, seconds=0.8, patience=0.2)
    calls = [pool.run(work.hang) for _ in range(6)]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end).__name__ for end in ends} == {"BackendFailed", "OutOfResources"}
    assert await pool.run(work.double, 4) == 8
    pool.close()


def test_one_line_for_each_caller() -> None:
    line: Fair[str] = Fair()
    for caller, one in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")]:
        line.put(caller, one)
    assert [line.take() for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    with pytest.raises(LookupError):
        line.take()
