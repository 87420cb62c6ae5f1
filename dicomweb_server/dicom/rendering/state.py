"""A frame as a softcopy presentation state shows it (PS3.4 N.2; R-15).

Modality, VOI and presentation stage are the state's own and stand in place of the image's; then shutter, overlays,
what is drawn in pixels of the image, the displayed area, rotation and flip. Graphics placed on the display are drawn
over the area.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.rendering.lut import lut_of
from dicomweb_server.dicom.rendering.modality import modality_of, significant
from dicomweb_server.dicom.rendering.overlays import overlaid, shutter
from dicomweb_server.dicom.rendering.palette import coloured, has_palette
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.voi import Ranged, voi_of

_VOI, _PRESENTATION_LUT, _SHAPE = "00283110", "20500010", "20500020"
_IMAGES, _INSTANCE, _FRAMES = "00081140", "00081155", "00081160"
_AREA, _ANNOTATIONS = "0070005A", "00700001"
_MOST_GRAPHICS = 2000


def shown(data: bytes, subject: Subject, state: Attributes) -> Image.Image:
    """The frame through the state. Raises Undecodable."""
    shuttered = _shuttered(_graded(data, subject, state), subject, state)
    image = Image.fromarray(overlaid(shuttered, subject.attributes, state, subject.number))
    image = _annotated(image, subject, state, "PIXEL")
    image = image.crop(_area(image, subject, state))
    image = _annotated(image, subject, state, "DISPLAY")
    turns = state.whole("00700042", 0) // 90 % 4
    if turns:
        image = image.transpose(_CLOCKWISE[turns])
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if state.text("00700041") == "Y" else image


_CLOCKWISE = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


def _graded(data: bytes, subject: Subject, state: Attributes) -> Grey:
    frame = decode(data, subject.facts)
    if frame.cells.ndim == 3 or frame.photometric == "PALETTE COLOR":
        return picture(frame, subject)
    values = modality_of(Attributes({**state.data, **_NO_MAPPING}), 0)(
        significant(frame.cells, subject.facts).astype(np.float64)
    )
    voi = voi_of(_for_frame(state.items(_VOI), subject), 0)
    if voi is None:
        finite = values[np.isfinite(values)]
        voi = Ranged(float(finite.min()), float(finite.max())) if finite.size else Ranged(0.0, 1.0)
    bright = np.nan_to_num(voi(values), nan=0.0)
    lut = lut_of(state.item(_PRESENTATION_LUT))
    if lut is not None:
        bright = lut(bright * (len(lut.table) - 1) + lut.first) / lut.top
    elif state.text(_SHAPE) == "INVERSE":
        bright = 1.0 - bright
    grey = (bright * 255 + 0.5).astype(np.uint8)
    return coloured(grey, state) if has_palette(state) else grey


_NO_MAPPING: dict[str, object] = {"00409096": {"vr": "SQ"}}


def _for_frame(items: list[Attributes], subject: Subject) -> Attributes:
    """The first item that is for this frame: those that name no image are for all."""
    return next((item for item in items if _concerns(item, subject)), Attributes({}))


def _concerns(item: Attributes, subject: Subject) -> bool:
    named = item.items(_IMAGES)
    own = [image for image in named if image.text(_INSTANCE) == subject.attributes.text("00080018")]
    return not named or any(not image.values(_FRAMES) or subject.number + 1 in image.numbers(_FRAMES) for image in own)


def _shuttered(pixels: Grey, subject: Subject, state: Attributes) -> Grey:
    """Everything outside of the shutter in its grey (PS3.3 C.7.6.11, C.7.6.15)."""
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


def _area(image: Image.Image, subject: Subject, state: Attributes) -> tuple[int, int, int, int]:
    """The displayed area as far as it lies on the image."""
    item = _for_frame(state.items(_AREA), subject)
    first, last = item.numbers("00700052"), item.numbers("00700053")
    whole = (0, 0, image.width, image.height)
    if len(first) != 2 or len(last) != 2:
        return whole
    left, right = sorted((int(first[0]), int(last[0])))
    top, bottom = sorted((int(first[1]), int(last[1])))
    box = (max(left - 1, 0), max(top - 1, 0), min(right, image.width), min(bottom, image.height))
    return box if box[0] < box[2] and box[1] < box[3] else whole


def _annotated(image: Image.Image, subject: Subject, state: Attributes, units: str) -> Image.Image:
    """Graphics and text of every layer that are placed in ``units`` (PS3.3 C.10.5)."""
    pen = ImageDraw.Draw(image)
    white, black = (255, 0) if image.mode == "L" else ((255, 255, 255), (0, 0, 0))
    font = ImageFont.load_default(max(9, image.height // 32))
    drawn = 0
    for layer in state.items(_ANNOTATIONS):
        if not _concerns(layer, subject):
            continue
        for graphic in layer.items("00700009"):
            if graphic.text("00700005") == units and (drawn := drawn + 1) <= _MOST_GRAPHICS:
                _graphic(pen, graphic, _points(image, graphic.numbers("00700022"), units), white)
        for text in layer.items("00700008"):
            corner, anchor = text.numbers("00700010"), text.numbers("00700014")
            own = text.text("00700003") if corner else text.text("00700004")
            place = _points(image, corner or anchor, units)
            if own == units and place and (drawn := drawn + 1) <= _MOST_GRAPHICS:
                pen.text(
                    place[0], text.text("00700006")[:1000], font=font, fill=white, stroke_width=1, stroke_fill=black
                )
    return image


def _points(image: Image.Image, numbers: list[float], units: str) -> list[tuple[float, float]]:
    """Pixels count from 1; what is placed on the display counts from 0 to 1."""
    pairs = zip(numbers[::2], numbers[1::2], strict=False)
    if units == "DISPLAY":
        return [(x * image.width, y * image.height) for x, y in pairs]
    return [(x - 1, y - 1) for x, y in pairs]


def _graphic(
    pen: ImageDraw.ImageDraw, graphic: Attributes, points: list[tuple[float, float]], white: int | tuple[int, int, int]
) -> None:
    farthest = 1 << 20
    points = [(min(max(x, -farthest), farthest), min(max(y, -farthest), farthest)) for x, y in points]
    match graphic.text("00700023"):
        case "POINT" if points:
            pen.point(points[:1], fill=white)
        case "CIRCLE" if len(points) >= 2:
            (x, y), (edge_x, edge_y) = points[:2]
            radius = float(np.hypot(edge_x - x, edge_y - y))
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=white)
        case "ELLIPSE" if len(points) >= 4:
            pen.line([*_ellipse(points)], fill=white)
        case _ if len(points) >= 2:
            pen.line(points, fill=white)


def _ellipse(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """From the ends of its two axes."""
    ends = np.array(points[:4])
    middle, major, minor = ends[:2].mean(axis=0), (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2
    angles = np.linspace(0, 2 * np.pi, 73)[:, None]
    return [(float(x), float(y)) for x, y in middle + np.cos(angles) * major + np.sin(angles) * minor]
