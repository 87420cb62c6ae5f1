"""What a presentation state covers of an image (PS3.3 C.7.6.11, C.7.6.15, C.11.20; R-15)."""

from __future__ import annotations

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey
from dicomweb_server.dicom.rendering.applicable import for_frame
from dicomweb_server.dicom.rendering.areas import Area, polygon
from dicomweb_server.dicom.rendering.overlays import painted, shutter
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.styles import Colour, srgb

_OF_FRAMES, _SHAPE = "00189472", "00181600"
_LEFT, _RIGHT, _TOP, _BOTTOM = "00181602", "00181604", "00181606", "00181608"
_CENTER, _RADIUS, _CORNERS = "00181610", "00181612", "00181620"
_GREY, _COLOUR = "00181622", "00181624"


def shuttered(pixels: Grey, subject: Subject, state: Attributes) -> Grey:
    """Everything that a shutter covers in the colour or the grey of it; open is what all of several leave open."""
    if _OF_FRAMES in state:
        state = for_frame(state.items(_OF_FRAMES), subject)
    rows, columns = pixels.shape[:2]
    covers = [_covered(shape, state, subject, (rows, columns)) for shape in set(state.texts(_SHAPE))]
    found = [each for each in covers if each is not None]
    return painted(pixels, np.logical_or.reduce(found), _colour(state)) if found else pixels


def _covered(kind: str, state: Attributes, subject: Subject, shape: tuple[int, int]) -> Area | None:
    """True where a shutter of this kind covers the image; None where there is none or its place is not said."""
    down, across = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    match kind:
        case "RECTANGULAR":
            left, right, top, bottom = (state.number(tag) for tag in (_LEFT, _RIGHT, _TOP, _BOTTOM))
            beside: Area = (across < (left or 0)) | (across > (right or shape[1]))
            return beside | (down < (top or 0)) | (down > (bottom or shape[0]))
        case "CIRCULAR":
            center, radius = state.numbers(_CENTER), state.number(_RADIUS)
            if len(center) != 2 or radius is None:
                return None
            outside: Area = np.hypot(down - center[0], across - center[1]) > abs(radius)
            return outside
        case "POLYGONAL":
            corners = state.numbers(_CORNERS)
            return ~polygon(corners, shape) if len(corners) >= 6 else None
        case "BITMAP":
            return shutter(state, subject.number, shape)
    return None


def _colour(state: Attributes) -> Colour:
    return srgb(state.numbers(_COLOUR)) or (min(255, state.whole(_GREY, 0) >> 8),) * 3
