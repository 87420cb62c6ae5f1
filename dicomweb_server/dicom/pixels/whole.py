"""Whether a compressed frame is all there: some decoders make up what is missing and say nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from dicomweb_server.model.errors import Undecodable

MOST_SCANS = 256
"""Of a JPEG frame. A progressive one has about ten; each of thousands takes as long as a whole image."""

_SCAN, _END = b"\xff\xda", b"\xff\xd9"
_TILE_PART = 0x90


def check_scans(data: bytes) -> None:
    """Raises Undecodable for a JPEG stream that is made to take long."""
    if data.count(_SCAN) > MOST_SCANS:
        raise Undecodable(f"the JPEG frame has more than {MOST_SCANS} scans")


def jpeg(data: bytes, decode: Callable[[bytes], Any]) -> Any:
    """What ``decode`` makes of a JPEG stream. Raises Undecodable where it breaks off.

    libjpeg paints the missing part grey. Where the end marker is missing, as some encoders leave it out, the stream is
    whole if it makes no difference what follows it.
    """
    if data.rfind(_END) > data.rfind(_SCAN):
        return decode(data)
    found, other = (decode(data + filling * 64 + _END) for filling in (b"\x55", b"\xaa"))
    if not np.array_equal(found, other):
        raise Undecodable("the JPEG frame breaks off")
    return found


def check_tiles(data: bytes) -> None:
    """Raises Undecodable where a tile-part of a JPEG 2000 stream is shorter than it says (T.800 A.4.2).

    OpenJPH decodes what there is.
    """
    at = data.index(b"\xff\x4f\xff\x51") + 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _END[1]:
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker != _TILE_PART:
            at += 2 + length
            continue
        (size,) = struct.unpack_from(">I", data, at + 6) if at + 10 <= len(data) else (len(data),)
        if size == 0:  # up to the end marker
            return
        at += max(size, 2 + length)
    if at > len(data):
        raise Undecodable("the JPEG 2000 frame breaks off")
