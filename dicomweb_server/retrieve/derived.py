"""Bytes made from stored objects, kept in a bounded folder: made once, however many ask in however many processes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from dicomweb_server.cached import is_in_memory
from dicomweb_server.model.errors import NoRoom

Fill = Callable[[Path], Awaitable[None]]
"""Writes what is to be kept to the file named."""

LONG = 4 << 20
"""Bytes that are not held in memory while a client reads them."""
_FULL = 0.9
"""Part of the bound that is left after the longest unused went."""
_COUNTED_SECONDS = 60.0
"""What was used so lately is not marked as used again."""
_LOOK = 16
"""The folder is measured anew when this part of its bound was written since."""


class Derived:
    """Files below ``folder``, together of about ``most`` bytes, the longest unused of which go.

    Keys must name the content they were made from (a version), so that no entry ever becomes untrue.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._below = f"{folder}/"
        self._lock = f"{folder}/lock"
        self._most = most
        self._written = most
        """Since the folder was last measured; at first as if all were full."""
        self._measuring = threading.Lock()
        self._making: dict[str, asyncio.Task[None]] = {}

    async def content(self, key: str, fill: Fill) -> bytes | Path:
        """What is in the file of ``path``, or that file where it is long. Raises as ``path`` does."""
        path = self._path(key)
        for _ in range(3):
            found = await _held(path)
            if found is not None:
                return found
            await self._made(path, fill)
        raise NoRoom("what was made for somebody goes at once")

    async def has(self, key: str) -> bool:
        return await asyncio.to_thread(_used, self._path(key))

    async def path(self, key: str, fill: Fill) -> Path:
        """The file of ``key``; ``fill`` writes it when it is not here. Open it at once: it may leave when unused.

        Raises NoRoom, and what ``fill`` raises, which is not kept.
        """
        path = self._path(key)
        if not _used(path):
            await self._made(path, fill)
        return path

    async def _made(self, path: Path, fill: Fill) -> None:
        """Return when it is made, whoever asked first. Who asks no longer does not end it for the others."""
        task = self._making.get(path.name)
        if task is None:
            task = asyncio.ensure_future(self._make(path, fill))
            self._making[path.name] = task
            task.add_done_callback(lambda _: self._making.pop(path.name, None))
        await asyncio.shield(task)

    async def _make(self, path: Path, fill: Fill) -> None:
        try:
            size = await self._filled(path, fill)
        except OSError as error:
            raise NoRoom(f"what was made for somebody cannot be kept: {error.strerror}") from error
        self._written += size
        if self._written > self._most // _LOOK:
            await asyncio.to_thread(self._shrink)

    async def _filled(self, path: Path, fill: Fill) -> int:
        """Bytes that were written; 0 when another process was first."""
        async with self._alone(path):
            if _used(path):
                return 0
            draft = Path(f"{path}.{secrets.token_hex(4)}")
            try:
                await fill(draft)
                return _put(draft, path)
            except BaseException:
                _discard(draft)
                raise

    @asynccontextmanager
    async def _alone(self, path: Path) -> AsyncIterator[None]:
        """Hold what all processes lock for this file: a byte of its own in the file of locks."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = self._locks()
        try:
            pause = 0.002
            while not _locked(descriptor, _place(path)):
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.05)
            yield
        finally:
            os.close(descriptor)

    def _shrink(self) -> None:
        with self._measuring:
            self._written = 0
            found = sorted(self._entries())
            size = sum(each[1] for each in found)
            if size <= self._most:
                return
            for _, length, path in found:
                if size <= self._most * _FULL:
                    return
                path.unlink(missing_ok=True)
                size -= length

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """All but the drafts; those go that nobody writes to."""
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError, ValueError):  # gone, or not one of ours
                if path.suffix:
                    self._forget_draft(path)
                    continue
                facts = path.stat()
                yield facts.st_mtime, facts.st_size, path

    def _forget_draft(self, draft: Path) -> None:
        """Remove it where a process was killed that wrote it: its lock went with it."""
        descriptor = self._locks()
        try:
            if _locked(descriptor, _place(draft)):
                draft.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _locks(self) -> int:
        return os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return Path(f"{self._below}{name[:2]}/{name}")


def _put(draft: Path, path: Path) -> int:
    """Bytes that are there now."""
    size = draft.stat().st_size
    draft.rename(path)
    return size


def _discard(draft: Path) -> None:
    draft.unlink(missing_ok=True)


async def _held(path: Path) -> bytes | Path | None:
    """What is in a file, or the file where that is long; None where there is none.

    In a thread only where a disk may have to be waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        facts = os.fstat(descriptor)
        if facts.st_mtime < time.time() - _COUNTED_SECONDS:
            with contextlib.suppress(OSError):  # it may be read-only
                os.utime(descriptor)
        if facts.st_size > LONG:
            return path
        if is_in_memory(descriptor, 0, facts.st_size):
            return os.pread(descriptor, facts.st_size, 0)
        return await asyncio.to_thread(os.pread, descriptor, facts.st_size, 0)
    finally:
        os.close(descriptor)


def _used(path: Path) -> bool:
    """Whether the file is there; it counts as used now."""
    try:
        os.utime(path)
    except OSError:  # it may be read-only
        return path.exists()
    return True


def _place(path: Path) -> int:
    """Of the lock of a file and of its drafts."""
    return int(path.name[:15], 16)


def _locked(descriptor: int, place: int) -> bool:
    """Whether the byte could be locked. The lock goes with the descriptor, as that of a whole file does."""
    wanted = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except (BlockingIOError, PermissionError):
        return False
    return True
