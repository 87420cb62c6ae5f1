"""What a presentation state draws and writes over a frame (PS3.3 C.10.5; R-15)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.applicable import concerns
from dicomweb_server.dicom.rendering.compound import Point, strokes
from dicomweb_server.dicom.rendering.picture import Subject

_ANNOTATIONS = "00700001"
_COMPOUND_UNITS, _COMPOUND_ID = "00700282", "00700226"
_MOST_GRAPHICS = 2000


def drawn_over(image: Image.Image, subject: Subject, state: Attributes, units: str) -> Image.Image:
    """Graphics and text of every layer that are placed in ``units`` (PS3.3 C.10.5)."""
    pen = ImageDraw.Draw(image)
    white, black = (255, 0) if image.mode == "L" else ((255, 255, 255), (0, 0, 0))
    font = ImageFont.load_default(max(9, image.height // 32))
    drawn = 0
    for layer in state.items(_ANNOTATIONS):
        if not concerns(layer, subject):
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
        for graphic in _without_equivalent(layer):
            if graphic.text(_COMPOUND_UNITS) == units and (drawn := drawn + 1) <= _MOST_GRAPHICS:
                points = _near(_points(image, graphic.numbers("00700022"), units))
                pivot = next(iter(_near(_points(image, graphic.numbers("00700273"), units))), None)
                for stroke in strokes(graphic, points, image.width if units == "DISPLAY" else 1.0, pivot):
                    pen.line(_near(stroke), fill=white)
    return image


def _without_equivalent(layer: Attributes) -> Iterator[Attributes]:
    """Compound graphics that their writer has not drawn as simple ones as well (C.10.5.1.3.1)."""
    drawn = {
        simple.number(_COMPOUND_ID)
        for simple in layer.items("00700009") + layer.items("00700008")
        if _COMPOUND_ID in simple
    }
    return (graphic for graphic in layer.items("00700209") if graphic.number(_COMPOUND_ID) not in drawn)


def _points(image: Image.Image, numbers: list[float], units: str) -> list[Point]:
    """0\\0 is the corner of the first pixel; what is placed on the display counts from 0 to 1 (C.10.5)."""
    pairs = zip(numbers[::2], numbers[1::2], strict=False)
    if units == "DISPLAY":
        return [(x * image.width, y * image.height) for x, y in pairs]
    return list(pairs)


def _near(points: list[Point]) -> list[Point]:
    """As far away as can still be drawn."""
    farthest = 1 << 20
    return [(min(max(x, -farthest), farthest), min(max(y, -farthest), farthest)) for x, y in points]


def _graphic(
    pen: ImageDraw.ImageDraw, graphic: Attributes, points: list[Point], white: int | tuple[int, int, int]
) -> None:
    points = _near(points)
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


def _ellipse(points: list[Point]) -> list[Point]:
    """From the ends of its two axes."""
    ends = np.array(points[:4])
    middle, major, minor = ends[:2].mean(axis=0), (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2
    angles = np.linspace(0, 2 * np.pi, 73)[:, None]
    return [(float(x), float(y)) for x, y in middle + np.cos(angles) * major + np.sin(angles) * minor]
