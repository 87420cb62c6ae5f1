"""Bodies made of pieces, sent as they are read: whole, in part, or as headers alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.records import Span
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.web import caching
from dicomweb_server.web.caching import Part, Unsatisfiable

Headers = list[tuple[bytes, bytes]]


class Piece(Protocol):
    """A run of bytes."""

    @property
    def size(self) -> int | None:
        """None where it is known only when the piece is reached; the body is then never given in part."""

    def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to and without ``end``; None for all there are."""


@dataclass(frozen=True, slots=True)
class Bytes:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        yield self.data if start == 0 and end in (None, len(self.data)) else self.data[start:end]


@dataclass(frozen=True, slots=True)
class Stored:
    """A span of an object, streamed."""

    objects: ObjectStore
    key: str
    span: Span

    @property
    def size(self) -> int:
        return self.span.length

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        last = self.span.length if end is None else end
        async for block in self.objects.stream(self.key, Span(self.span.start + start, last - start)):
            yield block


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bytes of known size that are got when they are reached."""

    size: int
    get: Callable[[], Awaitable[bytes]]

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        data = await self.get()
        if len(data) != self.size:
            raise BackendFailed("the stored object is shorter than it was")
        yield data if start == 0 and end in (None, self.size) else data[start:end]


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes that are made as they go."""

    size: int | None
    make: Callable[[], AsyncIterator[bytes]]

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        place = 0
        async for block in self.make():
            last = len(block) if end is None else min(end - place, len(block))
            first = max(start - place, 0)
            if first < last:
                yield block[first:last]
            place += len(block)
            if end is not None and place >= end:
                return


def total(pieces: Sequence[Piece]) -> int | None:
    """Bytes of all, or None where that is not known yet."""
    found = 0
    for piece in pieces:
        size = piece.size
        if size is None:
            return None
        found += size
    return found


def headers(**given: str) -> Headers:
    """Underscores stand for hyphens."""
    return [(name.replace("_", "-").encode(), value.encode("latin-1", "replace")) for name, value in given.items()]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of pieces with an ETag, ready for conditions and ranges. An ASGI application."""

    status: int
    headers: Headers
    pieces: Sequence[Piece]
    part: Part | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        last = b""
        async for block in self._blocks():
            if last:
                await send({"type": "http.response.body", "body": last, "more_body": True})
            last = block
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _blocks(self) -> AsyncIterator[bytes]:
        if self.part is None:
            for piece in self.pieces:
                async for block in piece.read(0, None):
                    yield block
            return
        place = 0
        for piece in self.pieces:
            size = piece.size or 0
            first, last = max(self.part.start - place, 0), min(self.part.end - place, size)
            if first < last:
                async for block in piece.read(first, last):
                    yield block
            place += size


def not_modified(etag: str, cache: str) -> ASGIApp:
    return Answer(304, headers(etag=etag, cache_control=cache, vary="Accept, Accept-Encoding"), ())


def answer(
    request: Request, pieces: Sequence[Piece], *, content_type: str, etag: str, cache: str, more: Headers | None = None
) -> ASGIApp:
    """The pieces, or the part of them that was asked for: 200, 206 or 416."""
    size = total(pieces)
    common = [
        *headers(content_type=content_type, etag=etag, cache_control=cache, vary="Accept, Accept-Encoding"),
        *(more or ()),
    ]
    if size is None:
        return Answer(200, common, pieces)
    common += headers(accept_ranges="bytes")
    try:
        part = caching.asked_part(request, etag, size)
    except Unsatisfiable:
        told = headers(content_range=f"bytes */{size}", content_length="0")
        return Answer(416, [*common[1:], *told], ())
    if part is None:
        return Answer(200, [*common, *headers(content_length=str(size))], pieces)
    told = headers(content_length=str(part.end - part.start), content_range=f"bytes {part.start}-{part.end - 1}/{size}")
    return Answer(206, [*common, *told], pieces, part)
