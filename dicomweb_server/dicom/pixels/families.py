"""Which decoder a transfer syntax asks for."""

from __future__ import annotations

from enum import Enum, auto

from dicomweb_server.dicom import syntaxes


class Family(Enum):
    NATIVE = auto()
    DEFLATED_FRAME = auto()
    RLE = auto()
    JPEG = auto()
    JPEG_LS = auto()
    JPEG_2000 = auto()
    """HTJ2K too: the codestream says which of the two block coders it uses."""
    JPEG_XL = auto()


_BY_MEDIA_TYPE = {
    "image/jpeg": Family.JPEG,
    "image/jls": Family.JPEG_LS,
    "image/jp2": Family.JPEG_2000,
    "image/jpx": Family.JPEG_2000,
    "image/jphc": Family.JPEG_2000,
    "image/jxl": Family.JPEG_XL,
    "image/dicom-rle": Family.RLE,
}


def family(transfer_syntax: str) -> Family | None:
    """The decoder for a transfer syntax; None for video, JPIP and what is unknown."""
    if transfer_syntax == syntaxes.DEFLATED_FRAME:
        return Family.DEFLATED_FRAME
    known = syntaxes.SYNTAXES.get(transfer_syntax)
    if known is None or known.by_reference:
        return None
    if transfer_syntax in syntaxes.RETIRED_JPEG:
        return Family.JPEG
    if not known.encapsulated or known.uid == syntaxes.ENCAPSULATED_UNCOMPRESSED:
        return Family.NATIVE
    return _BY_MEDIA_TYPE.get(known.media_type)
