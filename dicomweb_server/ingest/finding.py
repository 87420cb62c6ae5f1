"""Which files below a folder, or in a zip archive, are to be imported. Content tells; names do not.

Nothing found is trusted: an archive's names never become paths, and what its entries unfold to is counted as it comes.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dicomweb_server.dicom.part10 import sniff
from dicomweb_server.ingest.staged import translated

DIRECTORY = b"1.2.840.10008.1.3.10"
"""Media Storage Directory Storage: a DICOMDIR, which lists files and holds no instance (PS3.10 8.6)."""

_LOOK = 1024
_PIECE = 1 << 20
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Unfit:
    """Something that is not imported, and why."""

    name: str
    reason: str
    foreign: bool
    """It is no instance at all: a DICOMDIR, a text, a picture. Else an instance that could not be read."""


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    write: Callable[[Path], None]
    """Write the file to a new path. Raises OutOfResources, BackendFailed, Unreadable."""
    at_once: bool = False
    """It must be written before the next is looked for."""


class Unreadable(Exception):
    """A file or an archive's entry that could not be read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    entry: int = 16 << 30
    """Bytes of one entry, unfolded."""
    ratio: int = 200
    """How many times larger than the archive all its entries may become, beyond ``free``."""
    free: int = 1 << 30


def find(paths: Sequence[Path], limits: ArchiveLimits | None = None) -> Iterator[Found | Unfit]:
    """Everything below ``paths`` in order. Folders behind symbolic links are not entered."""
    for path in paths:
        if path.is_dir():
            yield from _below(path, limits or ArchiveLimits())
        else:
            yield from _look_at(path, limits or ArchiveLimits())


def _below(folder: Path, limits: ArchiveLimits) -> Iterator[Found | Unfit]:
    missed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=missed.append):
        folders.sort()
        for name in sorted(files):
            yield from _look_at(Path(here) / name, limits)
        while missed:
            error = missed.pop()
            yield Unfit(str(error.filename), _why(error), foreign=False)


def _look_at(path: Path, limits: ArchiveLimits) -> Iterator[Found | Unfit]:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            yield Unfit(str(path), "not a regular file", foreign=True)
            return
        with open(path, "rb") as file:
            start = file.read(_LOOK)
    except OSError as error:
        yield Unfit(str(path), _why(error), foreign=False)
        return
    if start.startswith(_ZIP):
        yield from _unfold(path, found.st_size, limits)
        return
    reason = _foreign(start, found.st_size)
    yield Unfit(str(path), reason, foreign=True) if reason else Found(str(path), lambda staged: _copy(path, staged))


def _foreign(start: bytes, size: int) -> str | None:
    """Why a file that begins so is no instance; None when it may be one."""
    if DIRECTORY in start[:_LOOK]:
        return "a DICOMDIR"
    if start[128:132] == b"DICM" or start[:4] == b"DICM" or sniff(start[:12], size) is not None:
        return None
    return "no DICOM file" if start else "empty"


def _copy(path: Path, staged: Path) -> None:
    """Copies in the kernel, sharing blocks where the file system can; the source is never touched."""
    try:
        source = open(path, "rb", buffering=0)  # noqa: SIM115 - its errors are the source's, the others ours
    except OSError as error:
        raise Unreadable(_why(error)) from None
    with source:
        try:
            with open(staged, "xb", buffering=0) as target:
                _copy_all(source.fileno(), target.fileno(), os.fstat(source.fileno()).st_size)
        except OSError as error:
            raise translated(error) from error


def _copy_all(source: int, target: int, size: int) -> None:
    left = size
    try:
        while left > 0 and (copied := os.copy_file_range(source, target, left)):
            left -= copied
    except OSError:
        # Not every pair of file systems has copy_file_range; what is wrong with the disk shows again below.
        if left < size:
            raise
        while left > 0 and (copied := os.sendfile(target, source, None, left)):
            left -= copied


def _unfold(path: Path, size: int, limits: ArchiveLimits) -> Iterator[Found | Unfit]:
    total = max(limits.free, size * limits.ratio)
    try:
        with zipfile.ZipFile(path) as archive:
            budget = _Budget(total, limits.entry)
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield _entry(path, archive, entry, budget)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        yield Unfit(str(path), f"a broken archive: {type(error).__name__}", foreign=False)
    except OSError as error:
        yield Unfit(str(path), _why(error), foreign=False)


@dataclass(slots=True)
class _Budget:
    total: int
    entry: int


_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError)
"""What zipfile raises for damage, unknown methods and encryption."""


def _entry(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget) -> Found | Unfit:
    name = f"{path}!{entry.filename}"
    try:
        with archive.open(entry) as stream:
            start = stream.read(_LOOK)
    except _BROKEN as error:
        return Unfit(name, f"not readable: {type(error).__name__}", foreign=False)
    if start.startswith(_ZIP):
        return Unfit(name, "an archive within an archive", foreign=True)
    reason = _foreign(start, entry.file_size)
    if reason:
        return Unfit(name, reason, foreign=True)
    return Found(name, lambda staged: _extract(archive, entry, staged, budget), at_once=True)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, staged: Path, budget: _Budget) -> None:
    try:
        with archive.open(entry) as stream, _created(staged) as target:
            left = budget.entry
            while piece := stream.read(_PIECE):
                left -= len(piece)
                budget.total -= len(piece)
                if left < 0 or budget.total < 0:
                    raise Unreadable("the archive unfolds to more than is allowed")
                _write(target, piece)
    except _BROKEN as error:
        raise Unreadable(f"not readable: {type(error).__name__}") from None


def _created(staged: Path) -> IO[bytes]:
    try:
        return open(staged, "xb")
    except OSError as error:
        raise translated(error) from error


def _write(target: IO[bytes], piece: bytes) -> None:
    try:
        target.write(piece)
    except OSError as error:
        raise translated(error) from error


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0)
