"""Conditional and range requests (H-10 to H-12, H-20 to H-23; RFC 9110 13, 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

IMMUTABLE = "private, max-age=300, must-revalidate"
"""Stored bytes: kept a while without asking; an edit or delete shows by the ETag after that."""
REVALIDATE = "private, no-cache"

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_ETAGS = re.compile(r'(?:W/)?("[^"]*")|\*')


def field(request: Request, name: bytes) -> str | None:
    """The first header called ``name`` (in lower case), several times faster than by ``request.headers``."""
    for found, value in request.scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return None


def matches(condition: str, etag: str) -> bool:
    """Whether a list of entity tags, or ``*``, names ``etag`` (with its quotes)."""
    return any(found[0] == "*" or found[1] == etag for found in _ETAGS.finditer(condition))


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has this representation: the answer is 304."""
    condition = field(request, b"if-none-match")
    return condition is not None and matches(condition, etag)


def wants_fresh(request: Request) -> bool:
    """Whether the client says that nothing remembered will do (H-13), as browsers do on a forced reload."""
    wish = field(request, b"cache-control")
    return wish is not None and "no-cache" in wish.lower()


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``start`` up to and without ``end`` of a body."""

    start: int
    end: int


class Unsatisfiable(Exception):
    """No byte of the range exists: 416."""


def asked_part(request: Request, etag: str, total: int) -> Part | None:
    """The one range asked for; None for the whole body, also for what is no single byte range. Raises Unsatisfiable."""
    header = field(request, b"range")
    if header is None or request.method != "GET":
        return None
    condition = field(request, b"if-range")
    if condition is not None and condition.strip() != etag:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None or (not found[1] and not found[2]):
        return None
    return _part(found[1], found[2], total)


def _part(first: str, last: str, total: int) -> Part | None:
    end = _position(last)
    if not first:
        if end == 0:
            raise Unsatisfiable
        return Part(max(0, total - end), total)
    start = _position(first)
    if last and end < start:
        return None  # malformed, so as if it were not there
    if start >= total:
        raise Unsatisfiable
    return Part(start, min(end + 1, total) if last else total)


def _position(digits: str) -> int:
    """What is too large for any body stays too large, however many digits it has; nothing is 0."""
    return int(digits.lstrip("0")[:19] or "0")
