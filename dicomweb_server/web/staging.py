"""Parts on their way to disk: gathered to a megabyte, then written in a thread, so that a part costs few hops."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from types import TracebackType

from dicomweb_server.model.errors import BackendFailed, OutOfResources

GATHERED = 1 << 20

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})


class StagedFile:
    """A new file at ``path``. It is removed again at the end, unless it is to be kept."""

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
        """Raises OutOfResources when the disk is full."""
        self._pieces.append(content)
        self._gathered += len(content)
        self.size += len(content)
        if self._gathered >= GATHERED:
            await asyncio.to_thread(self._flush)

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

    def _flush(self) -> None:
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            rest = memoryview(b"".join(pieces))
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if error.errno in _FULL:
                raise OutOfResources("no room for what was sent") from None
            raise BackendFailed("what was sent could not be written") from None

    def _drop(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)
