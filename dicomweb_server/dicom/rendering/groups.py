"""Where an attribute of one frame stands: its functional group, the shared one, or the data set (PS3.3 C.7.6.16)."""

from __future__ import annotations

from dicomweb_server.dicom.dataset import Attributes

_PER_FRAME = "52009230"
_SHARED = "52009229"


def of_frame(attributes: Attributes, frame: int, macro: str) -> Attributes | None:
    """The first item of a functional group macro for a frame (0-based), or None."""
    per_frame = attributes.items(_PER_FRAME)
    places = per_frame[frame : frame + 1] + attributes.items(_SHARED)[:1]
    for place in places:
        if place.values(macro):
            return place.item(macro)
    return None
