"""Parts on their way to disk: gathered to a megabyte, then written in a thread, so that a part costs few hops."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import ClassVar

from dicomweb_server.model.errors import BackendFailed, OutOfResources

GATHERED = 1 << 20
LEAST_GATHERED = 64 << 10
ALL_GATHERED = 64 << 20
"""Bytes of all parts of this process together; beyond them a part is written in small pieces."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})


class StagedFile:
    """A new file at ``path``. It is removed again at the end, unless it is to be kept."""

    _all_gathered: ClassVar[int] = 0
    _counting: ClassVar[Lock] = Lock()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._descriptor = -1
        self._kept = False

    async def __aenter__(self) -> StagedFile:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            await asyncio.to_thread(self._drop)

    async def write(self, content: bytes) -> None:
        """Raises OutOfResources when the disk is full or may not be written, else BackendFailed."""
        self._pieces.append(content)
        self._gather(len(content))
        self.size += len(content)
        if self._gathered >= (GATHERED if StagedFile._all_gathered < ALL_GATHERED else LEAST_GATHERED):
            await asyncio.to_thread(self._flush)

    def content(self) -> bytes:
        """All of the file, which is not written and need not be any more. For one of which nothing is written yet."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        self._gather(-self._gathered)
        return content

    @property
    def in_memory(self) -> bool:
        """Whether nothing of it is written yet."""
        return self._descriptor < 0

    async def close(self) -> None:
        """Write what is left; the file is whole now, though not synced. Raises OutOfResources."""
        await asyncio.to_thread(self._finish)

    def keep(self) -> None:
        """Somebody else sees to the file from now on."""
        self._kept = True

    def _finish(self) -> None:
        self._flush()
        os.close(self._descriptor)
        self._descriptor = -1

    def _gather(self, size: int) -> None:
        with StagedFile._counting:
            self._gathered += size
            StagedFile._all_gathered += size

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        self._gather(-self._gathered)
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            rest = memoryview(b"".join(pieces))
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if error.errno in _FULL:
                raise OutOfResources("no room for what was sent") from None
            if error.errno == errno.EROFS:
                raise OutOfResources("nothing can be written now") from None
            raise BackendFailed("what was sent could not be written") from None

    def _drop(self) -> None:
        self._gather(-self._gathered)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        # Where nothing may be written, it is the sweep that removes it later.
        with suppress(OSError):
            self.path.unlink()
