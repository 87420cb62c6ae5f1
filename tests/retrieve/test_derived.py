"""What is made from stored objects: kept within a bound, made once, never kept when it failed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dicomweb_server.model.errors import NoRoom, Undecodable
from dicomweb_server.retrieve.derived import Derived


async def a_kilobyte() -> bytes:
    return bytes(1000)


async def read(kept: Derived, key: str, make: Callable[[], Awaitable[bytes]]) -> bytes | Path:
    async def fill(draft: Path) -> None:
        await asyncio.to_thread(draft.write_bytes, await make())

    return await kept.content(key, fill)


def left_behind(draft: Path, modified: float) -> None:
    draft.parent.mkdir(exist_ok=True)
    draft.write_bytes(b"begun")
    os.utime(draft, (modified, modified))


def files(folder: Path) -> list[Path]:
    return list(folder.glob("??/*"))


async def test_it_is_made_once_and_read_again(tmp_path: Path) -> None:
    made = []

    async def make() -> bytes:
        made.append(1)
        await asyncio.sleep(0)
        return b"frame"

    kept = Derived(tmp_path, 1 << 20)
    assert await asyncio.gather(*(read(kept, "one", make) for _ in range(10))) == [b"frame"] * 10
    assert await read(Derived(tmp_path, 1 << 20), "one", make) == b"frame"
    assert len(made) == 1


async def test_what_failed_is_not_kept(tmp_path: Path) -> None:
    async def fail() -> bytes:
        raise Undecodable("broken")

    kept = Derived(tmp_path, 1 << 20)
    for _ in range(2):
        with pytest.raises(Undecodable):
            await read(kept, "one", fail)
    assert await read(kept, "one", a_kilobyte) == bytes(1000)


async def test_who_wants_to_keep_where_nothing_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    with pytest.raises(NoRoom):
        await read(Derived(tmp_path / "folder", 1 << 20), "one", a_kilobyte)


async def test_what_takes_long_keeps_nothing_else_waiting(tmp_path: Path) -> None:
    """There were 256 locks, and five hundred slow pictures held nearly all of them."""
    kept = Derived(tmp_path, 1 << 20)

    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    slow = [asyncio.ensure_future(read(kept, f"slow {number}", never)) for number in range(500)]
    for number in range(20):
        assert await asyncio.wait_for(read(kept, str(number), a_kilobyte), 5) == bytes(1000)
    for each in [*slow, *kept._making.values()]:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_the_longest_unused_goes(tmp_path: Path) -> None:
    kept = Derived(tmp_path, 10_000)
    for number in range(8):
        await read(kept, str(number), a_kilobyte)
    for path in files(tmp_path):
        os.utime(path, (1, 1))
    await read(kept, "0", a_kilobyte)
    for number in range(8, 14):
        await read(kept, str(number), a_kilobyte)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 10_000
    made: list[int] = []

    async def again() -> bytes:
        made.append(1)
        return bytes(1000)

    await read(kept, "0", again)
    assert made == []


async def test_what_is_still_being_written_does_not_go(tmp_path: Path) -> None:
    """A large instance is slow to make, and its draft looks unused for hours."""
    kept = Derived(tmp_path, 10_000)

    async def fill(draft: Path) -> None:
        await asyncio.to_thread(left_behind, draft, 1.0)
        for number in range(20):
            await read(kept, str(number), a_kilobyte)
        assert await asyncio.to_thread(draft.read_bytes) == b"begun"

    assert (await kept.path("large", fill)).name


async def test_a_draft_that_a_crash_left_behind_goes(tmp_path: Path) -> None:
    """With the first that the next process writes, however young it is and however much room there is."""
    left = tmp_path / "00" / f"{'0' * 64}.0123"
    left_behind(left, time.time())
    await read(Derived(tmp_path, 1 << 20), "another", a_kilobyte)
    assert not left.exists()


def _ask(folder: Path, log: Path) -> None:
    async def make() -> bytes:
        with log.open("a") as file:
            file.write("made\n")
        await asyncio.sleep(0.2)
        return b"frame"

    assert asyncio.run(read(Derived(folder, 1 << 20), "one", make)) == b"frame"


def test_processes_that_ask_together_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    asking = [context.Process(target=_ask, args=(tmp_path / "kept", tmp_path / "log")) for _ in range(4)]
    for process in asking:
        process.start()
    for process in asking:
        process.join()
    assert [process.exitcode for process in asking] == [0] * 4
    assert (tmp_path / "log").read_text() == "made\n"
