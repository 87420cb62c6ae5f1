"""What there is to see or read of an instance (R-01 to R-17)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from dicomweb_server.dicom.syntaxes import OCTET_STREAM
from dicomweb_server.retrieve.shelf import Held

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_REPORTS = _STORAGE + "88."
_KEY_OBJECTS = _REPORTS + "59"
"""A list of images for programs, with no text to read (R-16)."""
BLENDING, ADVANCED_BLENDING = _STORAGE + "11.4", _STORAGE + "11.8"
STATES = {*(f"{_STORAGE}11.{kind}" for kind in (1, 2, 3, 5, 12)), BLENDING, ADVANCED_BLENDING}
"""Grayscale, colour, pseudo-colour, angiography, variable modality LUT, blending; volumetric ones are not drawn."""
DOCUMENTS = {
    _STORAGE + "104.1": "application/pdf",
    _STORAGE + "104.2": "text/xml",
    _STORAGE + "104.3": "model/stl",
    _STORAGE + "104.4": "model/obj",
    _STORAGE + "104.5": "model/mtl",
}
"""Media types by SOP class: what the file itself claims to hold is not believed (R-11)."""


class Nature(Enum):
    """What there is to see of an instance."""

    IMAGE = "image"
    VIDEO = "video"
    REPORT = "report"
    DOCUMENT = "document"
    STATE = "presentation state"
    NOTHING = "nothing"


def nature_of(held: Held) -> Nature:
    sop_class = held.version.sop_class
    if held.index is not None and held.index.video:
        return Nature.VIDEO if held.syntax.media_type != OCTET_STREAM else Nature.NOTHING
    if held.index is not None and held.index.count > 0:
        return Nature.IMAGE
    if sop_class in DOCUMENTS:
        return Nature.DOCUMENT
    if sop_class.startswith(_REPORTS) and sop_class != _KEY_OBJECTS:
        return Nature.REPORT
    return Nature.STATE if sop_class in STATES else Nature.NOTHING


def every_frame(held: Held) -> Sequence[int]:
    """The numbers of all frames that can be drawn. There may be millions, so they are not written out."""
    if held.index is None or nature_of(held) is not Nature.IMAGE:
        return ()
    return range(1, held.index.count + 1)


def middle_frame(held: Held) -> int:
    """What stands for a multi-frame image where only one picture can be given (R-03, R-23)."""
    return (held.index.count + 1) // 2 if held.index is not None else 0
