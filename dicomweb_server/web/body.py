"""Bodies made of pieces, sent as they are read: whole, in part, or as headers alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
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

SHORT = 128 << 10
"""Bytes below which copying is cheaper than another message."""
_VARY = (b"vary", b"Accept, Accept-Encoding")
_RANGES = (b"accept-ranges", b"bytes")


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
        ready = self._ready()
        if ready is not None:
            for block in ready[:-1]:
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": ready[-1], "more_body": False})
            return
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await self._stream(send, gone)
        finally:
            gone.cancel()

    async def _stream(self, send: Send, gone: asyncio.Future[None]) -> None:
        """Block after block; no more of them are made once the client is ``gone`` (H-23)."""
        last = b""
        async with aclosing(self._blocks()) as blocks:
            async for block in blocks:
                if gone.done():
                    return
                if last:
                    await send({"type": "http.response.body", "body": last, "more_body": True})
                last = block
        await send({"type": "http.response.body", "body": last, "more_body": False})

    def _ready(self) -> list[bytes] | None:
        """The whole body where it is in memory already; short ones in one run, since each message has its price."""
        if self.part is not None or not self.pieces:
            return None
        found = []
        size = 0
        for piece in self.pieces:
            if not isinstance(piece, Bytes):
                return None
            found.append(piece.data)
            size += len(piece.data)
        return [b"".join(found)] if size <= SHORT else found

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
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


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def not_modified(etag: str, cache: str) -> ASGIApp:
    return Answer(304, headers(etag=etag, cache_control=cache, vary="Accept, Accept-Encoding"), ())


def answer(
    request: Request, pieces: Sequence[Piece], *, content_type: str, etag: str, cache: str, more: Headers | None = None
) -> ASGIApp:
    """The pieces, or the part of them that was asked for: 200, 206 or 416."""
    size = total(pieces)
    told = [
        (b"content-type", content_type.encode("latin-1", "replace")),
        (b"etag", etag.encode()),
        (b"cache-control", cache.encode()),
        _VARY,
        *(more or ()),
    ]
    if size is None:
        return Answer(200, told, pieces)
    told.append(_RANGES)
    try:
        part = caching.asked_part(request, etag, size)
    except Unsatisfiable:
        return Answer(416, [*told[1:], (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")], ())
    if part is None:
        told.append((b"content-length", b"%d" % size))
        return Answer(200, told, pieces)
    told.append((b"content-length", b"%d" % (part.end - part.start)))
    told.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.end - 1, size)))
    return Answer(206, told, pieces, part)


def partly(found: ASGIApp) -> ASGIApp:
    """206 in place of 200: some, but not all, of the target (W-03, C-33)."""
    assert isinstance(found, Answer)
    return Answer(206 if found.status == 200 else found.status, found.headers, found.pieces, found.part)
