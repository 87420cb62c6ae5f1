"""Reading a multipart body as it comes: part headers, pieces of content, ends (RFC 2046 5.1, P-09).

What senders do is taken: text before the first delimiter, bare line feeds throughout, white space after a boundary,
folded headers, anything after the last delimiter. How lines end is learnt from the first delimiter, so that content
which happens to end in a carriage return is not cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dicomweb_server.model.errors import BadRequest, TooLarge

MAX_HEADER = 8192
MAX_PARTS = 10_000
MAX_PREAMBLE = 65536
MAX_PADDING = 256
"""White space after a boundary."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins; header names are in lower case."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    content: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The part is whole."""


Event = Begin | Data | End


class _At(Enum):
    PREAMBLE = "preamble"
    HEADERS = "headers"
    CONTENT = "content"
    EPILOGUE = "epilogue"


class PartReader:
    """Give it the body in pieces of any size; it says what came whole. Holds back no more than a delimiter.

    What was read of the buffer is let go once for each piece, not for each part: pieces may be full of boundaries.
    """

    def __init__(self, boundary: str, *, max_parts: int = MAX_PARTS) -> None:
        self._dashed = b"--" + boundary.encode("latin-1")
        self._first = re.compile(rb"(?:\A|\n)" + re.escape(self._dashed) + rb"(--|[ \t]*(\r?\n))")
        self._delimiter = b"\r\n" + self._dashed
        self._max_parts = max_parts
        self._buffer = b""
        self._place = 0
        """What lies before it in the buffer is read."""
        self._at = _At.PREAMBLE
        self.parts = 0

    @property
    def finished(self) -> bool:
        """Whether the closing delimiter was seen. If not, the body was cut off."""
        return self._at is _At.EPILOGUE

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Raises BadRequest for what is no multipart body, TooLarge for too many parts or too long a header."""
        if self.finished:
            return
        self._buffer = self._buffer[self._place :] + piece
        self._place = 0
        steps = {_At.PREAMBLE: self._preamble, _At.HEADERS: self._headers, _At.CONTENT: self._content}
        waiting = False
        while not waiting and not self.finished:
            events, waiting = steps[self._at]()
            yield from events

    def _preamble(self) -> tuple[list[Event], bool]:
        found = self._first.search(self._buffer)
        if found is None:
            if len(self._buffer) > MAX_PREAMBLE:
                raise BadRequest("the boundary does not occur in the body")
            return [], True
        if found[1] == b"--":
            self._end_of_body()
            return [], True
        self._delimiter = found[2] + self._dashed
        self._next_part(found.end())
        return [], False

    def _headers(self) -> tuple[list[Event], bool]:
        found = _NO_HEADERS.match(self._buffer, self._place) or _HEADERS_END.search(self._buffer, self._place)
        if (len(self._buffer) if found is None else found.start()) - self._place > MAX_HEADER:
            raise TooLarge(f"a part's header is longer than {MAX_HEADER} bytes")
        if found is None:
            return [], True
        headers = _parsed(self._buffer[self._place : found.start()])
        self._place = found.end()
        self._at = _At.CONTENT
        return [Begin(headers)], False

    def _content(self) -> tuple[list[Event], bool]:
        start = self._buffer.find(self._delimiter, self._place)
        if start < 0:
            return self._emitted(len(self._buffer) - len(self._delimiter) + 1), True
        after = start + len(self._delimiter)
        rest = self._buffer[after : after + MAX_PADDING]
        if rest.startswith(b"--"):
            events = self._emitted(start)
            self._end_of_body()
            return [*events, End()], True
        line_end = _LINE_END.match(rest)
        if line_end is not None:
            events = self._emitted(start)
            self._next_part(after + line_end.end())
            return [*events, End()], False
        if _MAY_BECOME_LINE_END.fullmatch(rest) and len(rest) < MAX_PADDING:
            return self._emitted(start), True
        # The boundary is only the beginning of what stands here: content.
        return self._emitted(after), False

    def _emitted(self, upto: int) -> list[Event]:
        """The content up to a place in the buffer."""
        if upto <= self._place:
            return []
        content, self._place = self._buffer[self._place : upto], upto
        return [Data(content)]

    def _next_part(self, begins: int) -> None:
        self.parts += 1
        if self.parts > self._max_parts:
            raise TooLarge(f"more than {self._max_parts} parts")
        self._place = begins
        self._at = _At.HEADERS

    def _end_of_body(self) -> None:
        self._buffer, self._place = b"", 0
        self._at = _At.EPILOGUE


_NO_HEADERS = re.compile(rb"\r?\n")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"[ \t]*\r?\n")
_MAY_BECOME_LINE_END = re.compile(rb"-?|[ \t]*\r?")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def _parsed(block: bytes) -> dict[str, str]:
    headers = {}
    for line in _FOLD.sub(b" ", block).splitlines():
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise BadRequest("a part's header has no name")
        headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers
