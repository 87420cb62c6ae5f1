"""Frames as they are stored: byte ranges of the file, through the index."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dicomweb_server.dicom.frames import FrameIndex
from dicomweb_server.dicom.reading import stream_of
from dicomweb_server.dicom.source import Source
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import LOCAL, Principal, Span
from dicomweb_server.retrieve.shelf import FRAME_STALE_SECONDS, Held, Shelf


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
        return index.take(number, await self._spanned(held, index.spans(number)))

    async def _spanned(self, held: Held, spans: tuple[Span, ...]) -> bytes:
        """``spans`` joined, read at once: nothing but the headers of items lies between them."""
        if not spans:
            return b""
        start = spans[0].start
        try:
            raw = await self.shelf.objects.read(held.version.object_key, Span(start, spans[-1].end - start))
        except NotFound:
            raise NotFound("the instance is no longer here") from None
        if len(spans) == 1:
            return raw
        return b"".join([raw[span.start - start : span.end - start] for span in spans])

    async def _inflated(self, held: Held, index: FrameIndex, number: int) -> bytes:
        async with self.shelf.source(held) as source:
            return await asyncio.to_thread(_inflated_frame, source, index, number)


def _inflated_frame(source: Source, index: FrameIndex, number: int) -> bytes:
    stream = stream_of(source)
    return index.take(number, b"".join([stream.read(span.start, span.length) for span in index.spans(number)]))
