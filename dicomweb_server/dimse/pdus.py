"""The bytes of an association: protocol data units in and out, every length checked before it is believed (PS3.8 9.3).

Nothing here starts a thread or waits without a deadline. Data sets are never gathered: ``Wire.some`` hands out what
the socket gave, and the caller writes it away.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

READ_SIZE = 256 * 1024
COMMAND, LAST = 0x01, 0x02
_HEADER = struct.Struct(">BxI")
_FRAGMENT = struct.Struct(">IBB")


class Kind(IntEnum):
    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """Why the service provider gives up (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolError(Exception):
    """The peer broke the rules; the association ends with an A-ABORT carrying ``reason``."""

    def __init__(self, text: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(text)
        self.reason = reason


class PeerGone(Exception):
    """The peer closed or reset the connection."""


class TimedOut(Exception):
    """The peer said nothing, or too little, until the deadline."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """The head of one presentation data value; ``size`` bytes of it follow on the wire (PS3.8 9.3.5.1)."""

    context: int
    is_command: bool
    is_last: bool
    size: int


class Wire:
    """One connection, read through a buffer of fixed size. Every wait ends at ``deadline`` on ``clock``."""

    def __init__(self, sock: socket.socket, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sock = sock
        self._clock = clock
        self._buffer = bytearray(READ_SIZE)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self.deadline = 0.0
        _set_quietly(sock, socket.TCP_NODELAY, 1)

    def wait_until(self, seconds: float) -> None:
        """Let everything from here on be done within ``seconds``."""
        self.deadline = self._clock() + seconds

    def header(self, limit: int) -> tuple[int, int]:
        """The type and length of the next PDU. Raises ProtocolError when it is longer than ``limit``."""
        kind, length = _HEADER.unpack(self.take(_HEADER.size))
        if kind not in Kind.__members__.values():
            raise ProtocolError(f"PDU of unknown type {kind:#04x}", AbortReason.UNRECOGNIZED_PDU)
        if length > limit:
            raise ProtocolError(f"PDU of {length} bytes, at most {limit} were agreed")
        return kind, length

    def fragment(self, left: int) -> Fragment:
        """The head of the next presentation data value in a P-DATA-TF PDU with ``left`` bytes to come."""
        if left < _FRAGMENT.size:
            raise ProtocolError("presentation data value cut short")
        length, context, control = _FRAGMENT.unpack(self.take(_FRAGMENT.size))
        if not 2 <= length <= left - 4:
            raise ProtocolError("presentation data value longer than its PDU")
        return Fragment(context, bool(control & COMMAND), bool(control & LAST), length - 2)

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises PeerGone or TimedOut."""
        if self._end - self._start >= size:
            taken = self._view[self._start : self._start + size].tobytes()
            self._start += size
            return taken
        parts = []
        while size:
            part = self.some(size)
            size -= len(part)
            parts.append(bytes(part))
        return b"".join(parts)

    def some(self, limit: int) -> memoryview:
        """One to ``limit`` bytes, valid until the next call. Raises PeerGone or TimedOut."""
        if self._start == self._end:
            self._start, self._end = 0, self._receive()
        stop = min(self._end, self._start + limit)
        part = self._view[self._start : stop]
        self._start = stop
        return part

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.some(size))

    def send(self, data: bytes) -> None:
        try:
            self._sock.settimeout(max(self.deadline - self._clock(), 0.001))
            self._sock.sendall(data)
        except TimeoutError as error:
            raise TimedOut from error
        except OSError as error:
            raise PeerGone from error

    def finish(self, last_words: bytes, *, seconds: float = 1.0, limit: int = 1 << 20) -> None:
        """Send ``last_words``, wait a moment for the peer to close, and close.

        What still comes is read and dropped: closing over unread bytes would reset the connection and take the last
        words with it.
        """
        self.wait_until(seconds)
        try:
            self.send(last_words)
            self._sock.shutdown(socket.SHUT_WR)
            while limit > 0:
                limit -= len(self.some(limit))
        except (PeerGone, TimedOut, OSError):
            pass
        finally:
            self._sock.close()

    def _receive(self) -> int:
        try:
            self._sock.settimeout(max(self.deadline - self._clock(), 0.001))
            count = self._sock.recv_into(self._buffer)
        except TimeoutError as error:
            raise TimedOut from error
        except OSError as error:
            raise PeerGone from error
        if not count:
            raise PeerGone
        # A sender with Nagle's algorithm on holds its next packet back until this one is acknowledged; the kernel
        # forgets the wish after each use.
        _set_quietly(self._sock, socket.TCP_QUICKACK, 1)
        return count


def _set_quietly(sock: socket.socket, option: int, value: int) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError:
        return  # not TCP, or gone: the next read tells


def pdu(kind: Kind, body: bytes) -> bytes:
    return _HEADER.pack(kind, len(body)) + body


def rejection(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return pdu(Kind.ASSOCIATE_RJ, bytes((0, result, source, reason)))


def abort(reason: AbortReason) -> bytes:
    """An A-ABORT of the service provider."""
    return pdu(Kind.ABORT, bytes((0, 0, 2, reason)))


RELEASED = pdu(Kind.RELEASE_RP, bytes(4))


def data(context: int, command: bytes, limit: int) -> bytes:
    """A command set as P-DATA-TF PDUs of at most ``limit`` bytes each, 0 for any size."""
    room = limit - _FRAGMENT.size if limit else len(command)
    return b"".join(_data_pdus(context, command, max(room, 1)))


def _data_pdus(context: int, command: bytes, room: int) -> Iterator[bytes]:
    for start in range(0, len(command), room):
        part = command[start : start + room]
        control = COMMAND | (LAST if start + room >= len(command) else 0)
        yield pdu(Kind.DATA, _FRAGMENT.pack(len(part) + 2, context, control) + part)
