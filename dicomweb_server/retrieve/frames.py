"""Frames as they are stored: byte ranges of the file, through the index."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass

from dicomweb_server.dicom.frames import FrameIndex
from dicomweb_server.dicom.reading import stream_of
from dicomweb_server.dicom.source import FileSource, Source
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import LOCAL, Principal, Span
from dicomweb_server.retrieve.shelf import FRAME_STALE_SECONDS, Held, Shelf

_PROBES = [bytearray(1)]


@dataclass(frozen=True, slots=True)
class Frames:
    shelf: Shelf

    async def find(self, key: InstanceKey, *, fresh: bool = False, principal: Principal = LOCAL) -> Held:
        """The instance as it was a moment ago, or with ``fresh`` as it is now.

        Raises NotFound, Gone; NotFound as well where the instance has no pixel data (W-31).
        """
        held = await self.shelf.instance(key, within_seconds=0.0 if fresh else FRAME_STALE_SECONDS)
        if held.index is None:
            raise NotFound(f"instance {key.instance} has no pixel data")
        return held

    def check(self, held: Held, numbers: list[int]) -> None:
        """Raises NotFound when one of the frames does not exist: all or nothing (W-30)."""
        assert held.index is not None
        for number in numbers:
            if number > held.index.count:
                raise NotFound(f"there is no frame {number}; the instance has {held.index.count}")

    def size(self, held: Held, number: int) -> int:
        """Bytes of what ``read`` gives."""
        assert held.index is not None
        return held.index.size(number)

    async def read(self, held: Held, number: int) -> bytes:
        """The stored bytes of one frame, native ones little endian and from bit 0 (T-06 to T-08)."""
        index = held.index
        assert index is not None
        if index.deflated:
            return await self._inflated(held, index, number)
        spans = index.spans(number)
        if held.path is not None:
            raw = read_now(held.path, spans)
            if raw is None:
                raw = await asyncio.to_thread(_read, held.path, spans)
        else:
            raw = b"".join([await self.shelf.objects.read(held.version.object_key, span) for span in spans])
        return index.take(number, raw)

    async def _inflated(self, held: Held, index: FrameIndex, number: int) -> bytes:
        async with self.shelf.source(held) as source:
            return await asyncio.to_thread(_inflated_frame, source, index, number)


def read_now(path: str, spans: tuple[Span, ...]) -> bytes | None:
    """The bytes, if they can be had without waiting for a disk; None otherwise, also when the file is gone.

    Whether the ends of a span are in memory tells of the rest: files are read ahead and written whole.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        for span in spans:
            if not _resident(descriptor, span):
                return None
        if len(spans) == 1:
            return os.pread(descriptor, spans[0].length, spans[0].start)
        return b"".join([os.pread(descriptor, span.length, span.start) for span in spans])
    finally:
        os.close(descriptor)


def _resident(descriptor: int, span: Span) -> bool:
    if not span.length:
        return True
    try:
        return (
            os.preadv(descriptor, _PROBES, span.start, os.RWF_NOWAIT) == 1
            and os.preadv(descriptor, _PROBES, span.end - 1, os.RWF_NOWAIT) == 1
        )
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL):
            return False
        raise


def _read(path: str, spans: tuple[Span, ...]) -> bytes:
    try:
        with FileSource(path) as source:
            return b"".join([source.read(span.start, span.length) for span in spans])
    except FileNotFoundError:
        raise NotFound("the instance is no longer here") from None


def _inflated_frame(source: Source, index: FrameIndex, number: int) -> bytes:
    stream = stream_of(source)
    return index.take(number, b"".join([stream.read(span.start, span.length) for span in index.spans(number)]))
