"""Bodies made of pieces of known size, sent as they are read: whole, in part, or as headers alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.model.records import Span
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.web import caching
from dicomweb_server.web.caching import Part, Unsatisfiable

Headers = list[tuple[bytes, bytes]]


class Piece(Protocol):
    """A run of bytes of known size."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to and without ``end``."""


@dataclass(frozen=True, slots=True)
class Bytes:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        yield self.data if (start, end) == (0, len(self.data)) else self.data[start:end]


@dataclass(frozen=True, slots=True)
class Stored:
    """A span of an object, streamed."""

    objects: ObjectStore
    key: str
    span: Span

    @property
    def size(self) -> int:
        return self.span.length

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        async for block in self.objects.stream(self.key, Span(self.span.start + start, end - start)):
            yield block


class Sized(Protocol):
    size: int

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes that are made as they go, in a thread; their size is known before."""

    source: Sized

    @property
    def size(self) -> int:
        return self.source.size

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        blocks = iter(self.source)
        place = 0
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            first, last = max(start - place, 0), min(end - place, len(block))
            if first < last:
                yield block[first:last]
            place += len(block)
            if place >= end:
                return


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
        async for block in self._blocks():
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _blocks(self) -> AsyncIterator[bytes]:
        place = 0
        start, end = (self.part.start, self.part.end) if self.part else (0, sum(piece.size for piece in self.pieces))
        for piece in self.pieces:
            first, last = max(start - place, 0), min(end - place, piece.size)
            if first < last:
                async for block in piece.read(first, last):
                    yield block
            place += piece.size


def not_modified(etag: str, cache: str) -> ASGIApp:
    return Answer(304, headers(etag=etag, cache_control=cache, vary="Accept, Accept-Encoding"), ())


def answer(
    request: Request, pieces: Sequence[Piece], *, content_type: str, etag: str, cache: str, more: Headers | None = None
) -> ASGIApp:
    """The pieces, or the part of them that was asked for: 200, 206 or 416."""
    total = sum(piece.size for piece in pieces)
    common = [
        *headers(etag=etag, cache_control=cache, vary="Accept, Accept-Encoding", accept_ranges="bytes"),
        *(more or ()),
    ]
    try:
        part = caching.asked_part(request, etag, total)
    except Unsatisfiable:
        return Answer(416, [*common, *headers(content_range=f"bytes */{total}", content_length="0")], ())
    if part is None:
        return Answer(200, [*headers(content_type=content_type, content_length=str(total)), *common], pieces)
    length, reach = str(part.end - part.start), f"bytes {part.start}-{part.end - 1}/{total}"
    told = headers(content_type=content_type, content_length=length, content_range=reach)
    return Answer(206, [*told, *common], pieces, part)
