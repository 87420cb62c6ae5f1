"""Where an attribute of one frame stands: its functional group, the shared one, or the data set (PS3.3 C.7.6.16)."""

from __future__ import annotations

from dicomweb_server.dicom.dataset import Attributes

_PER_FRAME = "52009230"
_SHARED = "52009229"


def of_frame(attributes: Attributes, frame: int, macro: str) -> Attributes | None:
    """The first item of a functional group macro for a frame (0-based), or None."""
    for item in attributes.values(_PER_FRAME)[frame : frame + 1] + attributes.values(_SHARED)[:1]:
        place = Attributes(item if isinstance(item, dict) else {}, attributes.bulk)
        if place.values(macro):
            return place.item(macro)
    return None
