"""Where DICOM bytes are read from: a file, or memory."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol


class Source(Protocol):
    """A byte string that can be read in places."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes:
        """Return ``length`` bytes from ``start``, fewer where the end cuts them off."""


class BytesSource:
    """Bytes in memory."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]


class FileSource:
    """A file, opened at once and read by ``pread``; a context manager. Raises OSError."""

    __slots__ = ("_fd", "mark", "size")

    def __init__(self, path: str | Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        facts = os.fstat(self._fd)
        self.size = facts.st_size
        self.mark = (facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size)
        """Tells this file, with this content, from every other."""

    def read(self, start: int, length: int) -> bytes:
        wanted = min(length, self.size - start)
        if wanted <= 0:
            return b""
        data = os.pread(self._fd, wanted, start)
        # One pread moves at most about 2 GiB.
        while len(data) < wanted:
            more = os.pread(self._fd, wanted - len(data), start + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> FileSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class JoinedSource:
    """``head`` followed by what ``source`` holds from ``start`` on."""

    __slots__ = ("_head", "_source", "_start", "size")

    def __init__(self, head: bytes, source: Source, start: int) -> None:
        self._head = head
        self._source = source
        self._start = start
        self.size = len(head) + max(0, source.size - start)

    def read(self, start: int, length: int) -> bytes:
        first = self._head[start : start + length]
        rest = length - len(first)
        if rest <= 0:
            return first
        place = max(0, start - len(self._head)) + self._start
        return first + self._source.read(place, rest) if first else self._source.read(place, rest)


_: tuple[type[Source], ...] = (BytesSource, FileSource, JoinedSource)
