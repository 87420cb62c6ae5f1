"""A frame as a softcopy presentation state shows it (PS3.4 N.2; R-15).

Modality stage, subtraction mask, VOI and presentation stage are the state's own and stand in place of the image's;
then shutter and overlays; then the displayed area, rotation, flip and scale; graphics and text are drawn over that, so
that they are as fine in any size and text stands upright.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey, Reals
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.rendering.applicable import for_frame
from dicomweb_server.dicom.rendering.display import display_of
from dicomweb_server.dicom.rendering.graphics import drawn_over
from dicomweb_server.dicom.rendering.lut import lut_of
from dicomweb_server.dicom.rendering.modality import modality_of, significant
from dicomweb_server.dicom.rendering.overlays import overlaid, shutter
from dicomweb_server.dicom.rendering.palette import has_palette, spread
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.request import Viewport
from dicomweb_server.dicom.rendering.subtraction import FrameOf, subtracted
from dicomweb_server.dicom.rendering.voi import Ranged, voi_of

_VOI, _PRESENTATION_LUT, _SHAPE = "00283110", "20500010", "20500020"
_SHUTTERS = "00189472"


def shown(
    data: bytes, subject: Subject, state: Attributes, frame: FrameOf, viewport: Viewport | None = None
) -> Image.Image:
    """The frame through the state, in the viewport; ``frame`` finds others of the image.

    Raises Undecodable, and BadRequest for a picture larger than is drawn here.
    """
    pixels = _shuttered(_graded(data, subject, state, frame), subject, state)
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
    return spread(bright, state) if has_palette(state) else (bright * 255 + 0.5).astype(np.uint8)


def brightness(decoded: Frame, subject: Subject, state: Attributes, frame: FrameOf) -> Reals:
    """Grey cells through modality stage, subtraction and VOI of ``state``: 0 to 1 (PS3.4 N.2.1.1 to N.2.1.3)."""
    modality = modality_of(state, 0, signed=subject.facts.signed)

    def values_of(number: int) -> Reals:
        other, described = frame(number)
        return modality(significant(decode(other, described.facts).cells, described.facts).astype(np.float64))

    values = modality(significant(decoded.cells, subject.facts).astype(np.float64))
    values = subtracted(values, subject, state, values_of)
    voi = voi_of(for_frame(state.items(_VOI), subject), 0, signed=modality.below_zero)
    if voi is None:
        finite = values[np.isfinite(values)]
        voi = Ranged(float(finite.min()), float(finite.max())) if finite.size else Ranged(0.0, 1.0)
    return np.nan_to_num(voi(values), nan=0.0)


def _shuttered(pixels: Grey, subject: Subject, state: Attributes) -> Grey:
    """Everything outside of the shutter in its grey (PS3.3 C.7.6.11, C.7.6.15, C.11.20)."""
    if _SHUTTERS in state:
        state = for_frame(state.items(_SHUTTERS), subject)
    shapes = set(state.texts("00181600"))
    if not shapes & {"RECTANGULAR", "CIRCULAR", "POLYGONAL", "BITMAP"}:
        return pixels
    rows, columns = pixels.shape[:2]
    down, across = np.ogrid[1 : rows + 1, 1 : columns + 1]
    open_ = np.ones((rows, columns), bool)
    if "RECTANGULAR" in shapes:
        left, right, top, bottom = (state.number(f"0018{tag}") for tag in ("1602", "1604", "1606", "1608"))
        open_ &= (across >= (left or 0)) & (across <= (right or columns))
        open_ &= (down >= (top or 0)) & (down <= (bottom or rows))
    center, radius = state.numbers("00181610"), state.number("00181612")
    if "CIRCULAR" in shapes and len(center) == 2 and radius is not None:
        open_ &= (down - center[0]) ** 2 + (across - center[1]) ** 2 <= radius**2
    corners = state.numbers("00181620")
    if "POLYGONAL" in shapes and len(corners) >= 6:
        mask = Image.new("1", (columns, rows))
        ImageDraw.Draw(mask).polygon(
            [(column - 1, row - 1) for row, column in zip(corners[::2], corners[1::2], strict=False)], fill=1
        )
        open_ &= np.asarray(mask)
    bits = shutter(state, subject.number, (rows, columns)) if "BITMAP" in shapes else None
    if bits is not None:
        open_ &= ~bits
    covered = pixels.copy()
    covered[~open_] = min(255, state.whole("00181622", 0) >> 8)
    return covered
