"""Reads the one part of a multipart/related answer as it comes, whatever its size (PS3.18 8.6.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dicomweb_server.model.errors import BackendFailed

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,]{1,200}))', re.IGNORECASE)
HEADER_LIMIT = 16 << 10


def first_part(content_type: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the payload of the first part; of a single-part answer, all of it.

    Raises BackendFailed when the body ends before the part does: it was cut off.
    """
    if not content_type.lower().startswith("multipart/"):
        yield from blocks
        return
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BackendFailed("the source's answer names no boundary")
    delimiter = b"--" + (found[1] or found[2]).encode("latin-1")
    source = iter(blocks)
    held = _after_headers(source, delimiter)
    yield from _until(b"\r\n" + delimiter, held, source)


def _after_headers(source: Iterator[bytes], delimiter: bytes) -> bytes:
    held = b""
    for block in source:
        held += block
        start = held.find(delimiter)
        end = held.find(b"\r\n\r\n", start) if start >= 0 else -1
        if end >= 0:
            return held[end + 4 :]
        if len(held) > HEADER_LIMIT:
            break
    raise BackendFailed("the source's answer is no multipart body", passing=True)


def _until(end: bytes, held: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what comes before ``end``, which may lie across blocks."""
    while True:
        at = held.find(end)
        if at >= 0:
            yield held[:at]
            return
        keep = len(end) - 1
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
        block = next(source, None)
        if block is None:
            raise BackendFailed("the source's answer was cut off", passing=True)
        held += block
