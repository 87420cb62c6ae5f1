"""Deflated data sets: inflated whole, within bounds (PS3.5 A.5)."""

from __future__ import annotations

import zlib

from dicomweb_server.dicom.source import BytesSource, Source
from dicomweb_server.model.errors import Rejected

MAX_INFLATED = 512 << 20
FREE = 32 << 20
"""Up to here any ratio goes: empty masks are legitimate and shrink to almost nothing."""
MAX_RATIO = 250

_CHUNK = 1 << 18
_CANNOT_UNDERSTAND = 0xC000


def inflated(source: Source, start: int) -> BytesSource | None:
    """The data set that ``source`` holds deflated from ``start``; None where nothing there is deflated.

    Where the stream breaks off, what came before. Raises Rejected for a bomb.
    """
    for form in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        data = _inflate(source, start, form)
        if data:
            return BytesSource(data)
    return None


def _inflate(source: Source, start: int, form: int) -> bytes:
    """``form`` is raw deflate as the standard wants, or with the zlib header that some writers add."""
    stream = zlib.decompressobj(form)
    limit = min(MAX_INFLATED, max(FREE, MAX_RATIO * max(0, source.size - start)))
    out = bytearray()
    position = start
    try:
        while position < source.size and not stream.eof:
            chunk = source.read(position, _CHUNK)
            position += len(chunk)
            out += stream.decompress(chunk, limit + 1 - len(out))
            if len(out) > limit:
                raise Rejected("the deflated data set is too large", reason=_CANNOT_UNDERSTAND)
    except zlib.error:
        pass
    return bytes(out)
