"""The inputs of an advanced blending state (PS3.3 C.11.33)."""

from __future__ import annotations

from dicomweb_server.dicom.dataset import Attributes

BASE, SUPERIMPOSED = -1, -2
"""In place of a number: the images that a blending state is for, and those laid over them where it gives no numbers."""
INPUT_NUMBER = "00701B02"
_INPUTS, _GEOMETRY = "00701B01", "00701B08"
_MOST_INPUTS = 16


def inputs_of(state: Attributes) -> list[Attributes]:
    return state.items(_INPUTS)[:_MOST_INPUTS]


def shape_giving(state: Attributes) -> Attributes:
    """The input whose geometry is displayed, the first where none says so; nothing of any other state."""
    found = inputs_of(state)
    named = (item for item in found if item.text(_GEOMETRY) == "TRUE")
    return next(named, next(iter(found), Attributes({}, state.bulk)))
