"""The part of an image that a presentation state displays, turned, flipped and scaled (PS3.3 C.10.4, C.10.6; R-15).

The area may reach beyond the image, which is then black. Where the picture goes is not known here, so TRUE SIZE is
shown like SCALE TO FIT: pixel for pixel, or in the viewport that is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey
from dicomweb_server.dicom.rendering.applicable import for_frame
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.proportions import proportion, ratio
from dicomweb_server.dicom.rendering.request import LARGEST_AREA, LARGEST_SIDE, Viewport
from dicomweb_server.dicom.rendering.viewport import scaled

Point = tuple[float, float]
Box = tuple[int, int, int, int]

_AREAS, _FIRST, _LAST, _MODE = "0070005A", "00700052", "00700053", "00700100"
_SPACING, _ASPECT, _MAGNIFICATION = "00700101", "00700102", "00700103"
_ROTATION, _FLIP = "00700042", "00700041"
_CLOCKWISE = {
    1: Image.Transpose.ROTATE_270,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Display:
    """From an image to the picture of it."""

    area: Box
    """Left, top, right and bottom in pixels of the image, the last two not included."""
    turns: int
    """Quarters, clockwise."""
    flipped: bool
    """Left to right, after the turn."""
    width: int
    height: int
    """Of the picture."""

    def picture(self, pixels: Grey) -> Image.Image:
        image = Image.fromarray(pixels).crop(self.area)
        if self.turns:
            image = image.transpose(_CLOCKWISE[self.turns])
        if self.flipped:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return scaled(image, (self.width, self.height))

    def of_image(self, point: Point) -> Point:
        """Where a point of the image is in the picture; 0, 0 is the corner of the first pixel in both."""
        left, top, right, bottom = self.area
        across, down = (point[0] - left) / (right - left), (point[1] - top) / (bottom - top)
        for _ in range(self.turns):
            across, down = 1 - down, across
        return self.of_display((1 - across if self.flipped else across, down))

    def of_display(self, point: Point) -> Point:
        """Where a point of the displayed area is, given in parts of it as it is shown (C.10.5)."""
        return point[0] * self.width, point[1] * self.height


def display_of(rows: int, columns: int, subject: Subject, state: Attributes, viewport: Viewport | None) -> Display:
    """How the state shows an image of this size. Raises BadRequest for a picture larger than is drawn here."""
    item = for_frame(state.items(_AREAS), subject)
    area = _area(item, rows, columns)
    turns = state.whole(_ROTATION, 0) // 90 % 4
    width, height = _proportioned(item, subject, area)
    if turns % 2:
        width, height = height, width
    enlarged = _magnification(item, width * height)
    if viewport is not None:
        enlarged = min(viewport.width / width, viewport.height / height)
    size = max(1, round(width * enlarged)), max(1, round(height * enlarged))
    return Display(area, turns, state.text(_FLIP) == "Y", *size)


def _area(item: Attributes, rows: int, columns: int) -> Box:
    """The area named; the whole image where none is, or one beside the image; what lies on it of one beyond reason."""
    first, last = item.numbers(_FIRST), item.numbers(_LAST)
    if len(first) != 2 or len(last) != 2:
        return 0, 0, columns, rows
    (left, right), (top, bottom) = (sorted((int(first[axis]), int(last[axis]))) for axis in (0, 1))
    box = (left - 1, top - 1, right, bottom)
    on_it = (max(box[0], 0), max(box[1], 0), min(right, columns), min(bottom, rows))
    if on_it[0] >= on_it[2] or on_it[1] >= on_it[3]:
        return 0, 0, columns, rows
    width, height = box[2] - box[0], box[3] - box[1]
    return box if max(width, height) <= LARGEST_SIDE and width * height <= LARGEST_AREA else on_it


def _proportioned(item: Attributes, subject: Subject, area: Box) -> tuple[float, float]:
    """Width and height of the area with square pixels, neither smaller than it is."""
    said = item.numbers(_SPACING) or item.numbers(_ASPECT)
    pixel = ratio(said) if len(said) == 2 else proportion(subject.attributes, subject.number)
    width, height = area[2] - area[0], area[3] - area[1]
    return width / min(pixel, 1.0), height * max(pixel, 1.0)


def _magnification(item: Attributes, size: float) -> float:
    """Pixels of the picture for one of the image; as many as can be drawn."""
    found = item.number(_MAGNIFICATION) if item.text(_MODE) == "MAGNIFY" else None
    most = 0.999 * math.sqrt(LARGEST_AREA / size)
    return found if found is not None and 0.0 < found <= most else min(1.0, most)
