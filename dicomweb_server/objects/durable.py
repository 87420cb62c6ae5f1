"""Making files survive a power cut: what to sync, and in which order."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

from dicomweb_server.model.errors import BackendFailed, OutOfResources

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_NOT_NOW = frozenset({errno.EROFS, errno.EACCES})

_SYNC_FILE_RANGE_WRITE = 2


def translated(error: OSError) -> BackendFailed:
    """What an OSError means to the rooms above; names no path."""
    if error.errno in _FULL:
        return OutOfResources("no space left for objects")
    if error.errno in _NOT_NOW:
        return OutOfResources("the object folder may not be written now")
    return BackendFailed(f"the object folder failed: {os.strerror(error.errno or 0)}")


def sync_files(paths: Iterable[Path]) -> None:
    """Return when the contents of all ``paths`` are on the disk. Raises OSError.

    Writing is started for all of them before the first is waited for, so that they share the journal's commits.
    """
    descriptors: list[int] = []
    try:
        for path in paths:
            descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            if len(descriptors) > 1:
                _start_writing(descriptors[-1])
        for descriptor in descriptors:
            os.fsync(descriptor)
    finally:
        _close(descriptors)


class FolderSyncs:
    """Syncs folders below ``up_to`` for one process.

    The first time, all folders above one are synced with it, whoever made them and whenever: another process may have
    made one a moment ago and not synced it yet. From then on its own place is safe, for as long as it exists: that is
    told by its inode, which no other folder can get while a descriptor of it is open here.
    """

    def __init__(self, up_to: Path, *, most: int = 64) -> None:
        self._up_to = up_to
        self._most = most
        self._placed: OrderedDict[Path, int] = OrderedDict()
        """Descriptors of folders whose place is synced, the longest unused first."""
        self._syncing = threading.Lock()

    def __call__(self, folders: Iterable[Path]) -> None:
        """Return when what ``folders`` hold is found there after a power cut. Raises OSError."""
        with self._syncing:
            new: dict[Path, int] = {}
            try:
                for folder in folders:
                    if self._is_placed(folder):
                        os.fsync(self._placed[folder])
                    else:
                        new[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                if new:
                    sync_folders(new, up_to=self._up_to)
            except OSError:
                _close(new.values())
                raise
            self._placed |= new
            while len(self._placed) > self._most:
                os.close(self._placed.popitem(last=False)[1])

    def close(self) -> None:
        with self._syncing:
            _close(self._placed.values())
            self._placed.clear()

    def _is_placed(self, folder: Path) -> bool:
        descriptor = self._placed.get(folder)
        if descriptor is None:
            return False
        self._placed.move_to_end(folder)
        if os.path.samestat(folder.stat(), os.fstat(descriptor)):
            return True
        os.close(self._placed.pop(folder))
        return False


def sync_folders(folders: Iterable[Path], *, up_to: Path) -> None:
    """Sync ``folders`` and all above them, up to and with ``up_to``, each once, deepest first. Raises OSError."""
    chain: set[Path] = {up_to}
    for folder in folders:
        while folder not in chain:
            chain.add(folder)
            folder = folder.parent
    for folder in sorted(chain, key=lambda each: len(each.parts), reverse=True):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _writing_starter() -> Callable[[int], object]:
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError):
        return lambda descriptor: None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return lambda descriptor: call(descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)


_start_writing = _writing_starter()
