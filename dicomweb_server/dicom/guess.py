"""What a data set does not say, or says wrongly: value representations, and where an element begins."""

from __future__ import annotations

import struct
from typing import Protocol

from dicomweb_server.dicom.elements import UNDEFINED, DataSet, Element, Fragments
from dicomweb_server.dicom.tags import (
    LONG_VRS,
    PIXEL_REPRESENTATION,
    PIXELS,
    SHORT_VRS,
    is_private,
    public_vr,
)

LUT_DESCRIPTOR = 0x00283002

_SEEN = {b"OX": b"OW"}
"""Letters some writers use for another VR."""


class Bytes(Protocol):
    def bytes(self, position: int, length: int) -> bytes: ...


def starts_item(data: bytes, *, little_endian: bool, or_end: bool = False) -> bool:
    """Whether ``data`` begins with an item tag, or with the end of a sequence."""
    item, end = (
        (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0") if little_endian else (b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
    )
    return data[:4] == item or (or_end and data[:4] == end)


def explicit_header(window: Bytes, position: int, stop: int, *, little_endian: bool) -> tuple[str, int, int] | None:
    """VR, start and length of the value of an element whose VR is none (PS3.5 7.1.2); None when it is no element.

    The letters may be right but for their case, or unknown, or there may be no VR at all. Of the readings that
    fit, the first is taken behind which something follows that may follow.
    """
    order = "<" if little_endian else ">"
    header = window.bytes(position, 12)
    group, number, code, short = struct.unpack_from(f"{order}HH2sH", header)
    tag = group << 16 | number
    letters = code.strip(b" \0").upper()
    letters = _SEEN.get(letters, letters)
    long = struct.unpack_from(f"{order}I", header, 8)[0] if len(header) == 12 else UNDEFINED
    readings = []
    if letters not in LONG_VRS:
        readings.append((SHORT_VRS.get(letters) or _likely(tag), position + 8, short))
    if letters not in SHORT_VRS and header[6:8] == b"\0\0":
        readings.append((LONG_VRS.get(letters) or _likely(tag), position + 12, long))
    if not code.isalpha():
        readings.append((_likely(tag), position + 8, struct.unpack_from(f"{order}I", header, 4)[0]))
    for vr, start, length in readings:
        if _may_follow(window, start + length, stop, group, little_endian=little_endian):
            return vr, start, length
    return None


def _may_follow(window: Bytes, position: int, stop: int, group: int, *, little_endian: bool) -> bool:
    """Whether another element, or the end, may be at ``position``."""
    if position >= stop:
        return position == stop
    header = window.bytes(position, 6)
    next_group = int.from_bytes(header[:2], "little" if little_endian else "big")
    if next_group == 0xFFFE:
        return True
    code = header[4:6]
    return group <= next_group and (code in SHORT_VRS or code in LONG_VRS)


def _likely(tag: int) -> str:
    """The dictionary's VR where it is a plain one."""
    vr = "UN" if is_private(tag) else public_vr(tag)
    return vr if len(vr) == 2 and vr != "SQ" else "UN"


def resolved(elements: DataSet, outer_representation: int | None = None) -> DataSet:
    """``elements`` of Implicit VR with one VR each, where the dictionary has several (PS3.5 A.1, W-16)."""
    representation = outer_representation
    descriptor: Element | None = None
    for element in elements:
        if element.tag == PIXEL_REPRESENTATION:
            representation = _first_number(element)
        elif element.tag == LUT_DESCRIPTOR:
            descriptor = element
    out: DataSet = []
    for element in elements:
        if isinstance(element.value, list):
            items = [resolved(item, representation) for item in element.value]
            element = element._replace(value=items)
        elif len(element.vr) > 2:
            element = element._replace(vr=_one_vr(element, representation, descriptor))
        out.append(element)
    return out


def _one_vr(element: Element, representation: int | None, descriptor: Element | None) -> str:
    if isinstance(element.value, Fragments):
        return "OB"
    if element.tag == PIXELS or "OB" in element.vr:
        return "OW"
    if element.vr == "US or OW":
        # LUT Data is US only where the table has one entry (PS3.3 C.11.1.1.1).
        return "US" if descriptor is not None and _first_number(descriptor) == 1 else "OW"
    if "OW" in element.vr and element.length > 2:
        return "OW"
    return "SS" if representation == 1 else "US"


def _first_number(element: Element) -> int | None:
    value = element.value
    return int.from_bytes(value[:2], "little") if isinstance(value, bytes) and len(value) >= 2 else None
