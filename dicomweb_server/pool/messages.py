"""Messages through one end of a pipe, whole ones or none: whoever waits elsewhere for it to be readable never blocks.

``Connection.recv`` waits for the rest of a message that has begun; ``Connection.poll`` sets up a selector each time.
"""

from __future__ import annotations

import os
import select
import struct
import time
from multiprocessing.connection import Connection

_LENGTH = struct.Struct("!Q")
_BLOCK = 1 << 16


class Messages:
    """``end`` is of a pipe for both directions, and closed with this."""

    def __init__(self, end: Connection) -> None:
        self._end = end
        self._descriptor = end.fileno()
        os.set_blocking(self._descriptor, False)
        self._readable = select.poll()
        self._readable.register(self._descriptor, select.POLLIN)
        self._held = bytearray()

    def fileno(self) -> int:
        return self._descriptor

    def send(self, message: bytes) -> None:
        """Raises OSError where nobody reads any more."""
        rest = memoryview(_LENGTH.pack(len(message)) + message)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                writable = select.poll()
                writable.register(self._descriptor, select.POLLOUT)
                writable.poll()

    def take(self) -> bytes | None:
        """The next message, if all of it has come. Raises EOFError where no more will, OSError."""
        while (message := self._whole()) is None:
            try:
                block = os.read(self._descriptor, _BLOCK)
            except BlockingIOError:
                return None
            if not block:
                raise EOFError
            self._held += block
        return message

    def wait(self, seconds: float) -> bytes | None:
        """The next message, if all of it comes within ``seconds``. Raises as ``take`` does."""
        end = time.monotonic() + seconds
        while (message := self.take()) is None:
            left = end - time.monotonic()
            if left <= 0 or not self._readable.poll(left * 1e3):
                return None
        return message

    def _whole(self) -> bytes | None:
        if len(self._held) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(self._held)[0]
        if len(self._held) < end:
            return None
        message = bytes(memoryview(self._held)[_LENGTH.size : end])
        del self._held[:end]
        return message
