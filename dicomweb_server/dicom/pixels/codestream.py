"""What a compressed frame says of itself in its first bytes: enough to refuse it before a decoder allocates."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dicomweb_server.dicom.pixels.families import Family
from dicomweb_server.model.errors import Undecodable

_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SOF_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_SOF_JPEG_LS = 0xF7
_STANDALONE = {0x01, *range(0xD0, 0xD8)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    family: Family
    rows: int
    columns: int
    components: int | None = None
    bits: int | None = None
    signed: bool | None = None
    colour: str | None = None
    """``RGB`` or ``YBR`` where a JPEG stream says so by Adobe or JFIF marker, component names or subsampling.

    ``RGB`` too where a JPEG 2000 stream has a colour transformation, which its decoder undoes.
    """
    lossless: bool | None = None
    high_throughput: bool = False
    subsampled: bool = False
    """A JPEG stream with fewer samples of colour than of brightness."""


def codestream(data: bytes) -> Codestream | None:
    """Read the header of a JPEG, JPEG-LS, JPEG 2000 or JPEG XL stream; None where it is none of these.

    Raises Undecodable where the stream begins as one and breaks off.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:4] == b"\xff\x4f\xff\x51":
            return _jpeg_2000(data, 0)
        if data[4:8] == b"jP  ":
            return _jpeg_2000(data, data.index(b"\xff\x4f\xff\x51"))
        if data[:2] == b"\xff\x0a":
            return _jpeg_xl(data[2:])
        if data[4:8] == b"JXL ":
            return _jpeg_xl(data[data.index(b"\xff\x0a") + 2 :])
    except (struct.error, IndexError, ValueError) as error:
        raise Undecodable("the compressed frame breaks off in its header") from error
    return None


def _jpeg(data: bytes) -> Codestream:
    """Walk the markers to the frame header (ITU-T T.81 B.1.1)."""
    at, adobe, jfif = 2, None, False
    while True:
        while data[at] != 0xFF:
            at += 1
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _SOF or marker == _SOF_JPEG_LS:
            return _jpeg_frame(data, at, marker, adobe, jfif)
        if marker == 0xE0 and data[at + 2 : at + 6] == b"JFIF":
            jfif = True
        if marker == 0xEE and data[at + 2 : at + 7] == b"Adobe" and length >= 14:
            adobe = data[at + 13]
        at += length


def _jpeg_frame(data: bytes, at: int, marker: int, adobe: int | None, jfif: bool) -> Codestream:
    bits, rows, columns, components = struct.unpack_from(">BHHB", data, at + 2)
    parts = [(data[at + 8 + 3 * n], data[at + 9 + 3 * n]) for n in range(components)]
    near_lossless = marker == _SOF_JPEG_LS
    return Codestream(
        family=Family.JPEG_LS if near_lossless else Family.JPEG,
        rows=rows,
        columns=columns,
        components=components,
        bits=bits,
        colour=None if near_lossless else _jpeg_colour(parts, adobe, jfif, marker in _SOF_LOSSLESS),
        lossless=None if near_lossless else marker in _SOF_LOSSLESS,
        subsampled=len({sampling for _, sampling in parts}) > 1,
    )


def _jpeg_colour(parts: list[tuple[int, int]], adobe: int | None, jfif: bool, lossless: bool) -> str | None:
    if len(parts) != 3:
        return None
    if len({sampling for _, sampling in parts}) > 1:
        return "YBR"
    if adobe is not None:
        return "RGB" if adobe == 0 else "YBR"
    if lossless:
        return None
    if jfif:
        return "YBR"
    return "RGB" if bytes(name for name, _ in parts) in {b"RGB", b"rgb"} else None


def _jpeg_2000(data: bytes, start: int) -> Codestream:
    """SIZ, and the transformations in COD (ITU-T T.800 A.5.1, A.6.1); CAP stands for HTJ2K (T.814 A.2)."""
    length, _, x1, y1, x0, y0 = struct.unpack_from(">HHIIII", data, start + 4)
    (components,) = struct.unpack_from(">H", data, start + 40)
    depth = data[start + 42]
    at, capable, reversible, colour = start + 4 + length, False, None, None
    while data[at] == 0xFF and data[at + 1] not in {0x90, 0xD9}:
        marker = data[at + 1]
        (size,) = struct.unpack_from(">H", data, at + 2)
        capable = capable or marker == 0x50
        if marker == 0x52:
            colour = "RGB" if data[at + 8] else None
            reversible = data[at + 13] == 1
        at += 2 + size
    return Codestream(
        family=Family.JPEG_2000,
        rows=y1 - y0,
        columns=x1 - x0,
        components=components,
        bits=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        colour=colour,
        lossless=reversible,
        high_throughput=capable,
    )


def _jpeg_xl(data: bytes) -> Codestream:
    """The size header (ISO/IEC 18181-1 D.2)."""
    bits = int.from_bytes(data[:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side() -> int:
        return 1 + take((9, 13, 18, 30)[take(2)])

    small = take(1)
    rows = 8 * (1 + take(5)) if small else side()
    ratio = take(3)
    if ratio:
        over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        columns = rows * over // under
    else:
        columns = 8 * (1 + take(5)) if small else side()
    return Codestream(family=Family.JPEG_XL, rows=rows, columns=columns)
