"""What a presentation state draws and writes over a picture (PS3.3 C.10.5; R-15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.applicable import concerns
from dicomweb_server.dicom.rendering.compound import strokes, tick_labels
from dicomweb_server.dicom.rendering.display import Display, Point
from dicomweb_server.dicom.rendering.pens import Pens, near
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.styles import (
    WHITE,
    Colour,
    Paint,
    Style,
    TextStyle,
    layers_of,
    style_of,
    text_style,
)
from dicomweb_server.model.errors import Undecodable

_ANNOTATIONS, _LAYER = "00700001", "00700002"
_GRAPHICS, _TEXTS, _COMPOUNDS = "00700009", "00700008", "00700209"
_COMPOUND_UNITS, _COMPOUND_ID, _COMPOUND_TYPE, _PIVOT = "00700282", "00700226", "00700294", "00700273"
_FILLABLE = {"RECTANGLE", "ELLIPSE"}
_UNITS, _DATA, _TYPE, _FILLED = "00700005", "00700022", "00700023", "00700024"
_BOX_UNITS, _ANCHOR_UNITS = "00700003", "00700004"
_TOP_LEFT, _BOTTOM_RIGHT, _JUSTIFIED = "00700010", "00700011", "00700012"
_ANCHOR, _ANCHOR_SHOWN, _TEXT = "00700014", "00700015", "00700006"
_DISPLAY = "DISPLAY"
_MOST_GRAPHICS, _LONGEST_TEXT = 2000, 1024
_STEPS, _STEPS_BETWEEN = 180, 8


def drawn_over(image: Image.Image, subject: Subject, state: Attributes, display: Display) -> Image.Image:
    """Graphics and text of every layer, in their order, over the finished picture; grey unless they have colours.

    Raises Undecodable where they are more than anybody could look at: some of them left out would mislead.
    """
    layers = layers_of(state)
    placed = [(*layers.get(each.text(_LAYER), (0.0, WHITE)), each) for each in state.items(_ANNOTATIONS)]
    easel = _Easel(image, display)
    marks = (
        mark
        for _, colour, layer in sorted(placed, key=lambda each: each[0])
        if concerns(layer, subject)
        for mark in easel.marks(layer, colour)
    )
    for count, mark in enumerate(marks):
        if count == _MOST_GRAPHICS:
            raise Undecodable(f"more than {_MOST_GRAPHICS} graphics on one frame are not drawn")
        mark()
    drawn = easel.pens
    return drawn.canvas if drawn.coloured or image.mode != "L" else drawn.canvas.convert("L")


class _Easel:
    """A picture to be drawn on."""

    def __init__(self, image: Image.Image, display: Display) -> None:
        self.pens = Pens(image)
        self._display = display

    def marks(self, layer: Attributes, colour: Colour) -> Iterator[Callable[[], None]]:
        """What is to be drawn of a layer, each by a call."""
        for graphic in layer.items(_GRAPHICS):
            yield partial(self._graphic, graphic, style_of(graphic, colour))
        for text in layer.items(_TEXTS):
            yield partial(self._text, text, text_style(text, colour))
        for graphic in _without_equivalent(layer):
            yield partial(self._compound, graphic, style_of(graphic, colour))

    def _graphic(self, graphic: Attributes, style: Style) -> None:
        units, kind = graphic.text(_UNITS), graphic.text(_TYPE)
        points = _shape(kind, graphic.pairs(_DATA))
        placed = [self._placed(point, units) for point in points]
        if kind == "POINT":
            self.pens.dot(placed[:1], style)
        elif graphic.text(_FILLED) == "Y" and len(placed) > 2:
            self.pens.fill(placed, style)
        else:
            self.pens.line(placed, style)

    def _compound(self, graphic: Attributes, style: Style) -> None:
        """Made up in the units of its points, so that it is turned and flipped with the image."""
        units = graphic.text(_COMPOUND_UNITS)
        unit = float(self._display.width) if units == _DISPLAY else 1.0
        own = self._display.of_display if units == _DISPLAY else _same
        points = near([own(point) for point in graphic.pairs(_DATA)])
        pivot = next(iter(near([own(point) for point in graphic.pairs(_PIVOT)])), None)
        placed = _same if units == _DISPLAY else self._display.of_image
        for stroke in strokes(graphic, points, unit, pivot):
            line = [placed(point) for point in stroke]
            if graphic.text(_FILLED) == "Y" and graphic.text(_COMPOUND_TYPE) in _FILLABLE:
                self.pens.fill(line, style)
            else:
                self.pens.line(line, style)
        for point, label in tick_labels(graphic, points, pivot):
            self.pens.write(placed(point), label, "mm", TextStyle(style.line.colour))

    def _text(self, text: Attributes, style: TextStyle) -> None:
        box = [
            self._placed(point, text.text(_BOX_UNITS))
            for tag in (_TOP_LEFT, _BOTTOM_RIGHT)
            for point in text.pairs(tag)[:1]
        ]
        anchor = [self._placed(point, text.text(_ANCHOR_UNITS)) for point in text.pairs(_ANCHOR)[:1]]
        corners = box or anchor
        if not corners:
            return
        left, right = sorted((corners[0][0], corners[-1][0]))
        top, bottom = sorted((corners[0][1], corners[-1][1]))
        if box and anchor and text.text(_ANCHOR_SHOWN) == "Y":
            end = min(max(anchor[0][0], left), right), min(max(anchor[0][1], top), bottom)
            self.pens.line([anchor[0], end], Style(line=Paint(style.colour)))
        justified = style.horizontal or text.text(_JUSTIFIED)
        side, x = {"RIGHT": ("r", right), "CENTER": ("m", (left + right) / 2)}.get(justified, ("l", left))
        height, y = {"BOTTOM": ("d", bottom), "CENTER": ("m", (top + bottom) / 2)}.get(style.vertical, ("a", top))
        lines = text.text(_TEXT)[:_LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n")
        self.pens.write((x, y), lines, f"{side}{height}", style)

    def _placed(self, point: Point, units: str) -> Point:
        return self._display.of_display(point) if units == _DISPLAY else self._display.of_image(point)


def _without_equivalent(layer: Attributes) -> Iterator[Attributes]:
    """Compound graphics that their writer has not drawn as simple ones as well (C.10.5.1.3.1)."""
    drawn = {
        simple.number(_COMPOUND_ID) for simple in layer.items(_GRAPHICS) + layer.items(_TEXTS) if _COMPOUND_ID in simple
    }
    return (graphic for graphic in layer.items(_COMPOUNDS) if graphic.number(_COMPOUND_ID) not in drawn)


def _same(point: Point) -> Point:
    return point


def _shape(kind: str, points: list[Point]) -> list[Point]:
    """The line through which a simple graphic goes."""
    match kind:
        case "CIRCLE" if len(points) >= 2:
            middle, radius = np.array(points[0]), math.dist(points[0], points[1])
            return _round(middle, np.array([radius, 0.0]), np.array([0.0, radius]))
        case "ELLIPSE" if len(points) >= 4:
            ends = np.array(points[:4])
            return _round(ends[:2].mean(axis=0), (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2)
        case "INTERPOLATED" if len(points) >= 3:
            return _curve(np.array(points))
    return points


def _round(middle: np.ndarray, major: np.ndarray, minor: np.ndarray) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, _STEPS + 1)[:, None]
    return [(float(x), float(y)) for x, y in middle + np.cos(angles) * major + np.sin(angles) * minor]


def _curve(points: np.ndarray) -> list[Point]:
    """Smoothly through all points (Catmull and Rom), around where the last is the first."""
    closed = bool((points[0] == points[-1]).all())
    before, after = (points[-2], points[1]) if closed else (points[0], points[-1])
    held = np.concatenate([before[None], points, after[None]])
    at = np.linspace(0.0, 1.0, _STEPS_BETWEEN, endpoint=False)[:, None]
    first, second, third, fourth = (held[place : len(held) - 3 + place, None] for place in range(4))
    slope, bend = third - first, 2 * first - 5 * second + 4 * third - fourth
    found = second + (slope * at + bend * at**2 + (3 * (second - third) + fourth - first) * at**3) / 2
    return [(float(x), float(y)) for x, y in [*found.reshape(-1, 2), points[-1]]]
