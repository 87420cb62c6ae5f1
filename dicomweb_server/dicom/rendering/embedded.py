"""The ICC profile that a stored JPEG or JPEG 2000 frame carries within itself (R-09; PS3.18 8.3.5.1.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN, _APP2 = 0xDA, 0xE2
_MARKED = b"ICC_PROFILE\0"
_WITH_PROFILE = {2, 3}
"""Methods of a colour specification box that are a profile, restricted or any (ITU-T T.800 I.5.3.3, T.801 M.11.7.2)."""


def embedded_profile(data: bytes) -> bytes | None:
    """The RGB profile of a frame as it is stored; None where it has none or only a broken one."""
    found = None
    try:
        if data[:2] == b"\xff\xd8":
            found = _of_jpeg(data)
        elif data[4:8] == b"jP  ":
            found = _of_jp2(data)
    except (struct.error, IndexError):
        return None
    return found if found is not None and found[16:20] == b"RGB " else None


def _of_jpeg(data: bytes) -> bytes | None:
    """All pieces in their order (ICC.1 B.4)."""
    pieces, count = {}, 0
    for marker, content in _segments(data):
        if marker == _APP2 and content.startswith(_MARKED):
            place, count = content[12], content[13]
            pieces[place] = content[14:]
    complete = count > 0 and sorted(pieces) == list(range(1, count + 1))
    return b"".join(pieces[place] for place in sorted(pieces)) if complete else None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and what they carry, up to the first scan (ITU-T T.81 B.1.1)."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _START_OF_SCAN:
            return
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _of_jp2(data: bytes) -> bytes | None:
    for kind, header in _boxes(data):
        if kind == b"jp2h":
            for inner, content in _boxes(header):
                if inner == b"colr" and content[0] in _WITH_PROFILE:
                    return content[3:]
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Boxes before the codestream (ITU-T T.800 I.4)."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"jp2c" or length < 8:
            return
        yield kind, data[at + 8 : at + length]
        at += length
