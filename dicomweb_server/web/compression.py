"""gzip of JSON and text answers, when the client takes it."""

from __future__ import annotations

import re
from functools import lru_cache

from isal import igzip

LEVEL = 1
SMALLEST = 1024
"""Bytes below which compressing costs more than it saves."""

_MEMBER = re.compile(r"\s*([A-Za-z0-9*_-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def takes_gzip(accept_encoding: str) -> bool:
    """Whether ``gzip`` has a weight above 0; ``*`` stands for it where it is not named (RFC 9110 12.5.3)."""
    return _takes_gzip(accept_encoding[:1000])


@lru_cache(maxsize=1024)
def _takes_gzip(accept_encoding: str) -> bool:
    weights: dict[str, float] = {}
    for member in accept_encoding.split(","):
        found = _MEMBER.fullmatch(member)
        if found is not None:
            weights[found[1].lower()] = float(found[2] or 1)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def gzipped(body: bytes) -> bytes:
    """The same bytes for the same body: no time stamp, so an ETag may be made of it."""
    compressed: bytes = igzip.compress(body, compresslevel=LEVEL, mtime=0)
    return compressed
