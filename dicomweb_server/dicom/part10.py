"""The head of a DICOM file: preamble, group 2, and where the data set begins (PS3.10 7.1).

Files come without preamble, without group 2, with a group 2 that lies about its length or about the encoding
that follows. What stands here finds the data set in all of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, SYNTAXES
from dicomweb_server.dicom.tags import LONG_VRS, SHORT_VRS, is_known

IMPLEMENTATION_CLASS_UID = "2.25.281469041226873571193468719402335172837"
IMPLEMENTATION_VERSION_NAME = "DICOMWEB_SERVER"

PREAMBLE = bytes(128) + b"DICM"
_LOOK = 1 << 16
"""Group 2 must end within so many bytes."""

_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHI")
_IMPLICIT = struct.Struct("<HHI")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the data set."""

    dataset_start: int
    preamble: bool
    meta: dict[int, str] = field(default_factory=dict)
    """Values of group 2 by tag: UIDs and titles."""
    transfer_syntax: str = IMPLICIT_LE
    """As named, or as found out from the data set where group 2 does not say or lies about a native encoding."""
    encoding: str | None = None
    """The native transfer syntax whose encoding the data set really has, where that is not what the name says."""
    sound: bool = False
    """Group 2 is complete and true, so that the file may be stored with it."""
    warnings: tuple[str, ...] = ()

    @property
    def sop_class(self) -> str:
        return self.meta.get(0x00020002, "")

    @property
    def sop_instance(self) -> str:
        return self.meta.get(0x00020003, "")


def file_meta(
    sop_class: str,
    sop_instance: str,
    transfer_syntax: str,
    *,
    source_aet: str | None = None,
    sending_aet: str | None = None,
    receiving_aet: str | None = None,
) -> bytes:
    """Zeroed preamble, DICM and group 2 in Explicit VR Little Endian (PS3.10 7.1)."""
    elements = [
        _LONG.pack(2, 1, b"OB", 0, 2) + b"\x00\x01",
        _element(0x02, b"UI", sop_class),
        _element(0x03, b"UI", sop_instance),
        _element(0x10, b"UI", transfer_syntax),
        _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
    ]
    titles = ((0x16, source_aet), (0x17, sending_aet), (0x18, receiving_aet))
    elements += [_element(number, b"AE", title) for number, title in titles if title]
    body = b"".join(elements)
    return PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def read_head(source: Source) -> Head:
    """Find the data set and its encoding. Never fails; what is no DICOM shows in the data set."""
    data = source.read(0, _LOOK)
    preamble = data[128:132] == b"DICM"
    start = 132 if preamble else (4 if data[:4] == b"DICM" else 0)
    warnings = [] if preamble else ["the file has no preamble"]
    meta, end, regular = _group_two(data, start)
    named = meta.get(0x00020010, "")
    found = sniff(data[end : end + 12], source.size - end)
    syntax = SYNTAXES.get(named)
    lies = False
    if not named:
        warnings.append("the file does not name its transfer syntax")
    elif named.strip("0123456789.") or len(named) > 64:
        warnings.append("the transfer syntax is not a UID")
        named = ""
    elif syntax is None:
        warnings.append("the transfer syntax is unknown")
    if syntax is not None and not syntax.deflated and found is not None:
        told = EXPLICIT_LE if syntax.explicit else IMPLICIT_LE
        told = told if syntax.little_endian else EXPLICIT_BE
        if told != found:
            warnings.append("the data set is encoded otherwise than its transfer syntax says")
            lies = True
            named = named if syntax.encapsulated else ""
    if meta and not regular:
        warnings.append("the length of group 2 is wrong")
    complete = all(meta.get(tag) for tag in (0x00020002, 0x00020003, 0x00020010))
    sound = preamble and regular and complete and bool(named) and not lies
    name = named or found or EXPLICIT_LE
    return Head(end, preamble, meta, name, found if lies else None, sound, tuple(warnings))


def sniff(start: bytes, remaining: int) -> str | None:
    """The native transfer syntax that a data set beginning with ``start`` is encoded in; None when it is none."""
    if len(start) < 8:
        return None
    vr = start[4:6]
    if vr in SHORT_VRS or vr in LONG_VRS:
        little, big = (int.from_bytes(start[:2], order) for order in ("little", "big"))
        return EXPLICIT_BE if big < little else EXPLICIT_LE
    group, element, length = _IMPLICIT.unpack_from(start)
    if is_known(group << 16 | element) and (length <= remaining - 8 or length == 0xFFFFFFFF):
        return IMPLICIT_LE
    return None


def _group_two(data: bytes, start: int) -> tuple[dict[int, str], int, bool]:
    """The values of group 2, where it ends, and whether its length says the same."""
    meta: dict[int, str] = {}
    told = None
    at = start
    while at + 8 <= len(data) and data[at : at + 2] == b"\x02\x00":
        _, number, vr, length = _SHORT.unpack_from(data, at)
        value = at + 8
        if vr in LONG_VRS and at + 12 <= len(data):
            length, value = int.from_bytes(data[at + 8 : at + 12], "little"), at + 12
        elif vr not in SHORT_VRS:
            length = int.from_bytes(data[at + 4 : at + 8], "little")
        if value + length > len(data):
            break
        raw = data[value : value + length]
        if number == 0:
            told = value + length + int.from_bytes(raw[:4], "little")
        elif number != 1 and length <= 1024:
            meta[0x00020000 | number] = raw.decode("latin-1").strip(" \0")
        at = value + length
    return meta, at, told == at


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, number, vr, len(value)) + value
