"""A frame as a softcopy presentation state shows it (PS3.4 N.2; R-15).

Modality stage, subtraction mask, VOI and presentation stage are the state's own and stand in place of the image's;
then shutter and overlays; then the displayed area, rotation, flip and scale; graphics and text are drawn over that, so
that they are as fine in any size and text stands upright.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey, Reals
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.rendering.applicable import for_frame
from dicomweb_server.dicom.rendering.display import display_of
from dicomweb_server.dicom.rendering.graphics import drawn_over
from dicomweb_server.dicom.rendering.lut import lut_of
from dicomweb_server.dicom.rendering.modality import Modality, modality_of, significant
from dicomweb_server.dicom.rendering.overlays import overlaid
from dicomweb_server.dicom.rendering.palette import first_coloured, has_palette, partly_coloured, spread
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.request import Viewport
from dicomweb_server.dicom.rendering.shutters import shuttered
from dicomweb_server.dicom.rendering.subtraction import FrameOf, intensity_lut, subtracted
from dicomweb_server.dicom.rendering.voi import Ranged, Voi, voi_of

_VOI, _VARIABLE, _PRESENTATION_LUT, _SHAPE = "00283110", "00283001", "20500010", "20500020"


def shown(
    data: bytes, subject: Subject, state: Attributes, frame: FrameOf, viewport: Viewport | None = None
) -> Image.Image:
    """The frame through the state, in the viewport; ``frame`` finds others of the image.

    Raises Undecodable, and BadRequest for a picture larger than is drawn here.
    """
    pixels = shuttered(_graded(data, subject, state, frame), subject, state)
    return arranged(overlaid(pixels, subject.attributes, state, subject.number), subject, state, viewport)


def arranged(pixels: Grey, subject: Subject, state: Attributes, viewport: Viewport | None) -> Image.Image:
    """The part of the pixels that is displayed, turned, flipped and scaled, and what is drawn over it."""
    display = display_of(pixels.shape[0], pixels.shape[1], subject, state, viewport)
    return drawn_over(display.picture(pixels), subject, state, display)


def _graded(data: bytes, subject: Subject, state: Attributes, frame: FrameOf) -> Grey:
    decoded = decode(data, subject.facts)
    if decoded.cells.ndim == 3 or decoded.photometric == "PALETTE COLOR":
        return picture(decoded, subject)
    bright = brightness(decoded, subject, state, frame)
    lut = lut_of(state.item(_PRESENTATION_LUT))
    if lut is not None:
        bright = lut(bright * (len(lut.table) - 1) + lut.first) / lut.top
    elif state.text(_SHAPE) == "INVERSE":
        bright = 1.0 - bright
    if has_palette(state):
        return spread(bright, state)
    grey = (bright * 255 + 0.5).astype(np.uint8)
    first = first_coloured(subject.attributes, decoded.photometric)
    if first is None:
        return grey
    return partly_coloured(grey, significant(decoded.cells, subject.facts), subject.attributes, first)


def brightness(decoded: Frame, subject: Subject, state: Attributes, frame: FrameOf) -> Reals:
    """Grey cells through modality stage, subtraction and VOI of ``state``: 0 to 1 (PS3.4 N.2.1.1 to N.2.1.3)."""

    def values_of(number: int) -> Reals:
        other, described = frame(number)
        return modal(decode(other, described.facts), described, state)

    modality, values = _stage(state, subject), modal(decoded, subject, state)
    left = subtracted(values, subject, state, values_of)
    voi = voi_of(for_frame(state.items(_VOI), subject), 0, signed=modality.below_zero or left is not values)
    return np.nan_to_num((voi or _identity(modality, subject, left, differs=left is not values))(left), nan=0.0)


def modal(decoded: Frame, subject: Subject, state: Attributes) -> Reals:
    """Grey cells through the modality stage of ``state``."""
    return _stage(state, subject)(significant(decoded.cells, subject.facts).astype(np.float64))


def _stage(state: Attributes, subject: Subject) -> Modality:
    """What ``state`` has in place of the image's modality stage, for this frame (C.11.1, C.11.35, C.11.19)."""
    logarithm = intensity_lut(state, subject)
    if logarithm is not None:
        return Modality(lut=logarithm)
    own = for_frame(state.items(_VARIABLE), subject) if _VARIABLE in state else state
    return modality_of(own, 0, signed=subject.facts.signed)


def _identity(modality: Modality, subject: Subject, values: Reals, *, differs: bool) -> Voi:
    """Where the state has no VOI: all that could come out, so that frames look alike; of differences either way."""
    ends = modality.range(subject.facts)
    if ends is None:
        finite = values[np.isfinite(values)]
        ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    elif differs:
        ends = ends[0] - ends[1], ends[1] - ends[0]
    return Ranged(*ends)
