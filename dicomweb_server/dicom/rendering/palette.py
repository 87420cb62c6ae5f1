"""PALETTE COLOR to RGB, segmented tables included (PS3.3 C.7.6.3.1.5, C.7.9.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Cells, Grey, Reals
from dicomweb_server.dicom.rendering.lut import entries_of
from dicomweb_server.model.errors import Undecodable

_DESCRIPTORS = ("00281101", "00281102", "00281103")
_PLAIN = ("00281201", "00281202", "00281203")
_SEGMENTED = ("00281221", "00281222", "00281223")
_MOST_ENTRIES = 65536
_PRESENTATION, _WITH_COLOUR = "00089205", {"COLOR", "MIXED"}


def has_palette(attributes: Attributes) -> bool:
    return all(tag in attributes for tag in _DESCRIPTORS)


def coloured(cells: Cells, attributes: Attributes) -> Grey:
    """Each cell as its palette entry, 8-bit RGB; indexes outside take the first or last (C.7.6.3.1.5).

    Raises Undecodable where a table is missing or empty.
    """
    planes = []
    for first, table in _tables(attributes):
        places = np.clip(cells.astype(np.int64) - first, 0, len(table) - 1)
        planes.append(table[places])
    return np.stack(planes, axis=-1)


def first_coloured(attributes: Attributes, photometric: str) -> int | None:
    """The lowest cell value that a grey image has a colour for; None where it is all grey (PS3.3 C.7.6.19)."""
    if (
        photometric != "MONOCHROME2"
        or attributes.text(_PRESENTATION) not in _WITH_COLOUR
        or not has_palette(attributes)
    ):
        return None
    described = attributes.numbers(_DESCRIPTORS[0])
    return int(described[1]) if len(described) == 3 else None


def partly_coloured(grey: Grey, cells: Cells, attributes: Attributes, first: int) -> Grey:
    """The grey picture in RGB, with cells from ``first`` up as their palette entries. Raises as ``coloured`` does."""
    return np.where(np.greater_equal(cells, first)[..., None], coloured(cells, attributes), grey[..., None])


def spread(bright: Reals, attributes: Attributes) -> Grey:
    """Brightness, 0 to 1, over the whole palette (PS3.4 N.2.4.2). Raises Undecodable as ``coloured`` does."""
    described = [int(n) for n in attributes.numbers(_DESCRIPTORS[0])]
    if len(described) != 3:
        raise Undecodable("a palette without a usable descriptor")
    entries, first = described[0] or _MOST_ENTRIES, described[1]
    return coloured(np.rint(bright * (entries - 1)).astype(np.int64) + first, attributes)


def _tables(attributes: Attributes) -> list[tuple[int, Grey]]:
    """The first value and the entries of red, green and blue, in 8 bits."""
    found = [_table(attributes, *tags) for tags in zip(_DESCRIPTORS, _PLAIN, _SEGMENTED, strict=True)]
    # Some writers announce 16 bits and fill 8: what the entries of all three colours reach decides
    wide = any(bits > 8 and int(entries.max()) > 255 for _, entries, bits in found)
    return [(first, (entries >> 8 if wide else entries).astype(np.uint8)) for first, entries, _ in found]


def _table(attributes: Attributes, descriptor: str, plain: str, segmented: str) -> tuple[int, NDArray[np.uint16], int]:
    described = [int(n) for n in attributes.numbers(descriptor)]
    if len(described) != 3:
        raise Undecodable("a palette without a usable descriptor")
    entries, first, bits = described[0] or _MOST_ENTRIES, described[1], described[2]
    data = attributes.binary(plain)
    found = entries_of(data, entries) if data else _expanded(attributes.binary(segmented) or b"", bits)[:entries]
    if not len(found):
        raise Undecodable("a palette without entries")
    return first, found, bits


def _expanded(data: bytes, bits: int) -> NDArray[np.uint16]:
    """Discrete, linear and indirect segments to entries (C.7.9.2.1 to C.7.9.2.3)."""
    words = [int(n) for n in np.frombuffer(data[: len(data) // 2 * 2], "<u2")] if bits > 8 else list(data)
    found: list[int] = []
    _segments(words, 0, len(words), None, found, bits)
    return np.asarray(found, np.uint16)


def _segments(words: list[int], at: int, end: int, count: int | None, found: list[int], bits: int) -> None:
    while at + 1 < end and len(found) < _MOST_ENTRIES and (count is None or count > 0):
        kind, length = words[at], words[at + 1]
        if kind == 0:
            found += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == 1 and found and at + 2 < end:
            steps = np.linspace(found[-1], words[at + 2], length + 1)[1:]
            found += [int(n) for n in np.rint(steps)]
            at += 3
        elif kind == 2 and count is None:
            parts = words[at + 2 : at + (4 if bits > 8 else 6)]
            start = parts[0] | parts[1] << 16 if bits > 8 else int.from_bytes(bytes(parts), "little")
            _segments(words, start // (2 if bits > 8 else 1), end, length, found, bits)
            at += 4 if bits > 8 else 6
        else:
            return
        count = None if count is None else count - 1
