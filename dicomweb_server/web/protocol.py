"""HTTP/1.1 on a socket, with bounds that uvicorn leaves open: time, header size, number of connections (H-25).

A peer gets so long for its first byte, for a whole header, and for each stretch of a body; so large a header; and a
connection that reads nothing of its answer is cut. What is refused gets a short answer, and a moment to read it.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    max_connections: int = 2000
    """Beyond them the longest idle connection goes, or the new one where none is idle."""

    max_header: int = 32 * 1024
    """Bytes of request line and header fields; more is 431."""

    max_url: int = 16 * 1024
    """Bytes of the request target; more is 414."""

    connect_seconds: float = 10.0
    """From connecting to the first byte."""

    header_seconds: float = 10.0
    """From the first byte of a request to the end of its header."""

    body_seconds: float = 30.0
    """In each stretch of this length a body has to advance by ``body_rate`` times it, while the server reads."""

    body_rate: int = 1024
    """Bytes per second."""

    write_seconds: float = 60.0
    """How long a peer may read nothing of an answer that waits for it."""

    max_waiting: int = 64
    """Requests of one connection that came before the answer to an earlier one was sent."""

    header_grace_seconds: float = 1.0
    """A header that is under way for longer makes room for a new connection where none is idle."""

    linger_seconds: float = 2.0
    """How long a refused peer may go on sending, so that it gets to read why."""

    tick_seconds: float = 1.0
    """How often a connection looks at its deadline."""


class _At(Enum):
    IDLE = "waiting for a request"
    HEADER = "reading a header"
    BODY = "reading a body"
    ANSWER = "the request is whole"
    LINGER = "refused"


class BoundedProtocol(HttpToolsProtocol):
    """Deadlines are looked at by one slow timer for each connection, so a request costs no timer of its own."""

    bounds: ClassVar[Bounds] = Bounds()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at = _At.IDLE
        self._since = self.loop.time()
        self._deadline = self._since + self.bounds.connect_seconds
        self._stalled_at = _NEVER
        self._unheard = 0
        self._header_size = 0
        self._body_size = 0
        self._body_mark = 0
        self._timer: asyncio.TimerHandle | None = None

    # The socket

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.bounds.max_connections and not self._room_made():
            self.transport = transport
            self._at = _At.LINGER
            transport.write(_refusal(503, "too many connections", b"retry-after: 5\r\n"))
            transport.close()
            return
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.bounds.tick_seconds, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._at is _At.IDLE:
            self._enter(_At.HEADER, self.bounds.header_seconds)
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > self.bounds.max_header and not self._refused:
            self._refuse(431, "the header is too large")

    def pause_writing(self) -> None:
        self._stalled_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled_at = _NEVER
        super().resume_writing()

    # The parser. Each callback shows progress: bytes that lead to none of them pile up in it, and are bounded too.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_size = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.bounds.max_url:
            self._refuse(414, "the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_size += len(name) + len(value) + 4
        if self._header_size + len(self.url) > self.bounds.max_header:
            self._refuse(431, "the header is too large")
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        self._unheard = self._body_size = self._body_mark = 0
        self._enter(_At.BODY, self.bounds.body_seconds)
        super().on_headers_complete()
        if len(self.pipeline) > self.bounds.max_waiting:
            self._enter(_At.LINGER, self.bounds.linger_seconds)

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._unheard = 0
        self._body_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        self._unheard = 0
        self._enter(_At.IDLE if self._answered else _At.ANSWER, _NEVER)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._at is _At.ANSWER:
            self._enter(_At.IDLE, _NEVER)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no HTTP request")

    # Deadlines

    @property
    def _refused(self) -> bool:
        return self._at is _At.LINGER

    @property
    def _answered(self) -> bool:
        unasked = self.cycle is None  # so it is before the first request
        return unasked or self.cycle.response_complete

    def _enter(self, at: _At, seconds: float) -> None:
        self._at = at
        self._since = self.loop.time()
        self._deadline = self._since + seconds

    def _tick(self) -> None:
        self._timer = self.loop.call_later(self.bounds.tick_seconds, self._tick)
        now = self.loop.time()
        if now > self._stalled_at + self.bounds.write_seconds:
            self.transport.abort()
        elif now > self._deadline:
            self._overdue()

    def _overdue(self) -> None:
        match self._at:
            case _At.BODY if self.flow.read_paused or self._advanced():
                self._body_mark = self._body_size
                self._deadline = self.loop.time() + self.bounds.body_seconds
            case _At.HEADER if not self._answered:
                # The next request already comes in; the answer to the one before must not suffer for it.
                self._deadline = self.loop.time() + self.bounds.header_seconds
            case _At.HEADER | _At.BODY:
                self._refuse(408, "the request came in too slowly")
            case _:
                self.transport.abort()

    def _advanced(self) -> bool:
        return self._body_size - self._body_mark >= self.bounds.body_rate * self.bounds.body_seconds

    def _room_made(self) -> bool:
        """Whether an idle connection, or one with half a request, could be closed for a new one."""
        others = [other for other in self.connections if isinstance(other, BoundedProtocol)]
        late = self.loop.time() - self.bounds.header_grace_seconds
        idle = [other for other in others if other._at is _At.IDLE] or [
            other for other in others if other._at is _At.HEADER and other._answered and other._since < late
        ]
        if not idle:
            return False
        oldest = min(idle, key=lambda other: other._since)
        self.connections.discard(oldest)
        oldest.transport.close()
        return True

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, and read on for a moment without looking: closing at once would destroy the answer on its way."""
        self._enter(_At.LINGER, self.bounds.linger_seconds)
        self._unset_keepalive_if_required()
        started = not self._answered and self.cycle.response_started
        if not self._answered:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if started:
            self.transport.abort()
            return
        self.transport.write(_refusal(status, detail))
        if self.transport.can_write_eof():
            self.transport.write_eof()


def bounded(bounds: Bounds) -> type[BoundedProtocol]:
    """A protocol class for ``uvicorn.Config(http=...)``."""
    return type("Bounded", (BoundedProtocol,), {"bounds": bounds})


def _refusal(status: int, detail: str, fields: bytes = b"") -> bytes:
    phrase = HTTPStatus(status).phrase
    body = orjson.dumps({"error": phrase, "detail": detail})
    return (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n"
    ).encode() + (fields + b"\r\n" + body)
