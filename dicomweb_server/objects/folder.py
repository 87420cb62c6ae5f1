"""Objects as files of a local folder. The key is the path below it; arrivals wait in ``.staging``.

Nothing is ever overwritten but by ``replace``. Several processes may share the folder; network file systems are not
for this, since they do not all keep the promises of fsync and link.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dicomweb_server.cached import is_in_memory
from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.records import Span
from dicomweb_server.objects.base import ObjectInfo, ObjectStore, Staged
from dicomweb_server.objects.durable import FolderSyncs, sync_files, sync_folders, translated

BLOCK = 1 << 20
"""Bytes per chunk of a stream."""

AT_ONCE = 8 << 20
"""Bytes up to which what is in memory is copied in the event loop: a thread costs more than the copy of a frame."""

STAGING = ".staging"
_NO_NAMES = frozenset({"", ".", ".."})

_PATIENCE = 20
"""How often a folder is made anew that another process takes away again."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class FolderStore:
    """Objects below ``root``, which is made when missing. Raises BackendFailed when it cannot be."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._below = f"{self._root}/"
        self._staging = self._root / STAGING
        self._sync_folders = FolderSyncs(self._root)
        self._folders = threading.Lock()
        """Held while a folder is made for a file, or taken away for being empty."""
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            sync_folders([self._root], up_to=self._root.parent)
        except OSError as error:
            raise translated(error) from error

    def staging(self) -> Path:
        return self._staging

    def adopt(self, batch: Sequence[Staged]) -> None:
        """May be called again with what a failed call left: a file already linked under its key is not new.

        Files are synced in their places: the journal then takes the new names along, and nearly nothing is left to
        do for the folders. Names whose call did not return belong to no row.
        """
        placed = [(each, self._path(each.key)) for each in batch]
        try:
            for each, path in placed:
                self._place(each.path, path)
            sync_files(path for _, path in placed)
            self._sync_folders({path.parent for _, path in placed})
        except OSError as error:
            raise translated(error) from error
        for each in batch:
            with suppress(OSError):
                each.path.unlink()

    def replace(self, key: str, body: bytes, *, durable: bool = True) -> None:
        path = self._path(key)
        draft = self._staging / f"{secrets.token_hex(16)}.new"
        try:
            try:
                draft.write_bytes(body)
                if durable:
                    sync_files([draft])
                self._in_folder(path, lambda: _move(draft, path))
                if durable:
                    self._sync_folders([path.parent])
            finally:
                with suppress(FileNotFoundError):
                    draft.unlink()
        except OSError as error:
            raise translated(error) from error

    def delete(self, keys: Sequence[str]) -> None:
        """Folders left empty go too."""
        try:
            for key in keys:
                with suppress(FileNotFoundError, NotADirectoryError):
                    self._path(key).unlink()
        except OSError as error:
            raise translated(error) from error
        for folder in {self._path(key).parent for key in keys}:
            self._remove_empty(folder)

    def stat(self, key: str) -> ObjectInfo:
        try:
            found = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no object {key}") from None
        except OSError as error:
            raise translated(error) from error
        return ObjectInfo(key, found.st_size, found.st_mtime)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        start = self._root / prefix.rpartition("/")[0]
        for folder, folders, files in os.walk(start):
            if Path(folder) == self._root:
                folders[:] = [name for name in folders if name != STAGING]
            below = Path(folder).relative_to(self._root)
            for name in files:
                key = str(below / name)
                if key.startswith(prefix):
                    with suppress(NotFound):
                        yield self.stat(key)

    def local(self, key: str) -> str:
        parts = key.split("/")
        if parts[0] == STAGING or not _NO_NAMES.isdisjoint(parts):
            raise ValueError(f"not an object key: {key[:80]!r}")
        return f"{self._below}{key}"

    async def read(self, key: str, span: Span | None = None) -> bytes:
        descriptor = self._open(key)
        try:
            if span is None:
                span = Span(0, os.fstat(descriptor).st_size)
            return await _some(descriptor, span.start, span.end)
        except OSError as error:
            raise translated(error) from error
        finally:
            os.close(descriptor)

    async def stream(self, key: str, span: Span | None = None) -> AsyncIterator[bytes]:
        descriptor = self._open(key)
        try:
            start = span.start if span else 0
            end = span.end if span else os.fstat(descriptor).st_size
            while start < end:
                block = await _some(descriptor, start, min(start + BLOCK, end))
                if not block:
                    return
                yield block
                start += len(block)
        finally:
            os.close(descriptor)

    async def direct_url(self, key: str, *, seconds: int) -> str | None:
        return None

    def close(self) -> None:
        self._sync_folders.close()

    def _path(self, key: str) -> Path:
        return Path(self.local(key))

    def _place(self, staged: Path, path: Path) -> None:
        try:
            self._in_folder(path, lambda: _link(staged, path))
        except FileExistsError:
            if not staged.samefile(path):
                raise BackendFailed("an object of that key is there already") from None

    def _in_folder(self, path: Path, put: Callable[[], None]) -> None:
        """Call ``put``, making the folder of ``path`` when it is missing, also when it is deleted meanwhile."""
        try:
            return put()
        except FileNotFoundError:
            pass
        with self._folders:
            for _ in range(_PATIENCE):
                with suppress(FileNotFoundError, FileExistsError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    return put()
                except FileNotFoundError:
                    continue
        return put()

    def _remove_empty(self, folder: Path) -> None:
        with self._folders, suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    def _open(self, key: str) -> int:
        try:
            return os.open(self.local(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no object {key}") from None
        except OSError as error:
            raise translated(error) from error


async def _some(descriptor: int, start: int, end: int) -> bytes:
    """The bytes there are from ``start`` to ``end``; in a thread only where a disk may have to be waited for."""
    if end - start <= AT_ONCE and is_in_memory(descriptor, start, end):
        return _all(descriptor, start, end)
    return await asyncio.to_thread(_all, descriptor, start, end)


def _all(descriptor: int, start: int, end: int) -> bytes:
    pieces = []
    while start < end:
        piece = os.pread(descriptor, end - start, start)
        if not piece:
            break
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _move(draft: Path, path: Path) -> None:
    draft.replace(path)


def _link(staged: Path, path: Path) -> None:
    try:
        os.link(staged, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from None
        staged.rename(path)


_: type[ObjectStore] = FolderStore
