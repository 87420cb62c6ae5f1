"""The data dictionary, compiled to plain look-ups (PS3.6)."""

from __future__ import annotations

from functools import lru_cache

from pydicom.datadict import DicomDictionary, dictionary_VR, private_dictionary_VR


def _by_bytes(names: str) -> dict[bytes, str]:
    return {name.encode(): name for name in names.split()}


SHORT_VRS = _by_bytes("AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US")
"""Value representations with a 16-bit length in explicit VR, by their two bytes (PS3.5 7.1.2)."""

LONG_VRS = _by_bytes("OB OD OF OL OV OW SQ SV UC UN UR UT UV")

VR: dict[int, str] = {tag: entry[0] for tag, entry in DicomDictionary.items() if " or " not in entry[0]}
"""Of every public attribute with one VR only."""

HEX: dict[int, str] = {tag: f"{tag:08X}" for tag in DicomDictionary}
"""The name of a tag in the DICOM JSON model, of the public ones."""

SPECIFIC_CHARACTER_SET = 0x00080005
AVAILABLE_TRANSFER_SYNTAX = 0x00083002
NUMBER_OF_FRAMES = 0x00280008
PIXEL_REPRESENTATION = 0x00280103
EXTENDED_OFFSETS = 0x7FE00001
EXTENDED_LENGTHS = 0x7FE00002
FLOAT_PIXELS = 0x7FE00008
DOUBLE_PIXELS = 0x7FE00009
PIXELS = 0x7FE00010
PIXEL_TAGS = frozenset({FLOAT_PIXELS, DOUBLE_PIXELS, PIXELS})

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD


def hex_of(tag: int) -> str:
    """``tag`` as the JSON model writes it: eight upper-case hex digits."""
    return HEX.get(tag) or f"{tag:08X}"


def is_private(tag: int) -> bool:
    return bool(tag & 0x10000)


def is_known(tag: int) -> bool:
    """Whether a data set may well begin with ``tag``: a public attribute, or the length or creator of a group."""
    group = tag >> 16
    return group >= 4 and (tag in VR or tag & 0xFFFF == 0 or (group & 1 == 1 and 0x10 <= tag & 0xFFFF <= 0xFF))


def public_vr(tag: int) -> str:
    """The VR of the dictionary, several joined by " or "; ``UL`` for group lengths, ``UN`` for what is unknown."""
    return VR.get(tag) or _rare_vr(tag)


@lru_cache(maxsize=4096)
def _rare_vr(tag: int) -> str:
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str) -> str:
    """The VR of a private element whose block ``creator`` reserved; ``UN`` when no dictionary knows it."""
    if 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"
    try:
        vr = str(private_dictionary_VR(tag, creator))
    except KeyError:
        return "UN"
    return vr if len(vr) == 2 else "UN"
