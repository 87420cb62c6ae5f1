"""Which decoder a transfer syntax asks for."""

from __future__ import annotations

from enum import Enum, auto

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
ENCAPSULATED_NATIVE = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
JPEG_BASELINE = _JPEG + "50"
JPEG_EXTENDED = _JPEG + "51"
JPEG_LOSSLESS = _JPEG + "57"
JPEG_LOSSLESS_SV1 = _JPEG + "70"
JPEG_LS = _JPEG + "80"
JPEG_LS_NEAR = _JPEG + "81"
JPEG_2000_LOSSLESS = _JPEG + "90"
JPEG_2000 = _JPEG + "91"
HTJ2K_LOSSLESS = _JPEG + "201"
HTJ2K_LOSSLESS_RPCL = _JPEG + "202"
HTJ2K = _JPEG + "203"
JPEG_XL_LOSSLESS = _JPEG + "110"


class Family(Enum):
    NATIVE = auto()
    DEFLATED_FRAME = auto()
    RLE = auto()
    JPEG = auto()
    JPEG_LS = auto()
    JPEG_2000 = auto()
    """HTJ2K too: the codestream says which of the two block coders it uses."""
    JPEG_XL = auto()


_FAMILIES = {
    **dict.fromkeys((IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED, ENCAPSULATED_NATIVE), Family.NATIVE),
    DEFLATED_FRAME: Family.DEFLATED_FRAME,
    RLE: Family.RLE,
    **{_JPEG + end: Family.JPEG for end in ("50", "51", "53", "55", "57", "70")},
    **{_JPEG + end: Family.JPEG_LS for end in ("80", "81")},
    **{_JPEG + end: Family.JPEG_2000 for end in ("90", "91", "92", "93", "201", "202", "203")},
    **{_JPEG + end: Family.JPEG_XL for end in ("110", "111", "112")},
}

_LOSSY = {_JPEG + end for end in ("50", "51", "53", "55", "81", "91", "93", "203", "111", "112")}


def family(transfer_syntax: str) -> Family | None:
    """The decoder for a transfer syntax; None for video, JPIP and what is unknown."""
    return _FAMILIES.get(transfer_syntax)


def may_be_lossy(transfer_syntax: str) -> bool:
    return transfer_syntax in _LOSSY
