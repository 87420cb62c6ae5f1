"""What a presentation state draws and writes over a picture (PS3.3 C.10.5; R-15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.applicable import concerns
from dicomweb_server.dicom.rendering.compound import strokes, tick_labels
from dicomweb_server.dicom.rendering.display import Display, Point
from dicomweb_server.dicom.rendering.fonts import lettered
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.styles import THICKEST, WHITE, Colour, Style, layers_of, style_of, text_colour
from dicomweb_server.model.errors import Undecodable

_ANNOTATIONS, _LAYER = "00700001", "00700002"
_GRAPHICS, _TEXTS, _COMPOUNDS = "00700009", "00700008", "00700209"
_COMPOUND_UNITS, _COMPOUND_ID, _PIVOT = "00700282", "00700226", "00700273"
_UNITS, _DATA, _TYPE, _FILLED = "00700005", "00700022", "00700023", "00700024"
_BOX_UNITS, _ANCHOR_UNITS = "00700003", "00700004"
_TOP_LEFT, _BOTTOM_RIGHT, _JUSTIFIED = "00700010", "00700011", "00700012"
_ANCHOR, _ANCHOR_SHOWN, _TEXT = "00700014", "00700015", "00700006"
_DISPLAY = "DISPLAY"
_MOST_GRAPHICS, _LONGEST_TEXT, _MOST_LETTERS = 2000, 1024, 20_000
_DASH, _GAP = 6.0, 4.0
_FARTHEST = 1 << 20
"""Pixels away that are still drawn."""
_STEPS = 180


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
    return easel.canvas if easel.coloured or image.mode != "L" else easel.canvas.convert("L")


class _Easel:
    """A picture to be drawn on."""

    def __init__(self, image: Image.Image, display: Display) -> None:
        self.canvas = image.convert("RGB")
        self.coloured = False
        self._display = display
        self._pen = ImageDraw.Draw(self.canvas)
        self._size = max(9, self.canvas.height // 32)
        self._letters_left = _MOST_LETTERS

    def marks(self, layer: Attributes, colour: Colour) -> Iterator[Callable[[], None]]:
        """What is to be drawn of a layer, each by a call."""
        for graphic in layer.items(_GRAPHICS):
            yield partial(self._graphic, graphic, style_of(graphic, colour))
        for text in layer.items(_TEXTS):
            yield partial(self._text, text, text_colour(text, colour))
        for graphic in _without_equivalent(layer):
            yield partial(self._compound, graphic, style_of(graphic, colour))

    def _graphic(self, graphic: Attributes, style: Style) -> None:
        units, kind = graphic.text(_UNITS), graphic.text(_TYPE)
        points = _shape(kind, graphic.pairs(_DATA))
        placed = [self._placed(point, units) for point in points]
        if kind == "POINT":
            self._dot(placed[:1], style)
        elif graphic.text(_FILLED) == "Y" and len(placed) > 2:
            self._fill(placed, style)
        else:
            self._line(placed, style)

    def _compound(self, graphic: Attributes, style: Style) -> None:
        """Made up in the units of its points, so that it is turned and flipped with the image."""
        units = graphic.text(_COMPOUND_UNITS)
        unit = float(self._display.width) if units == _DISPLAY else 1.0
        own = self._display.of_display if units == _DISPLAY else _same
        points = _near([own(point) for point in graphic.pairs(_DATA)])
        pivot = next(iter(_near([own(point) for point in graphic.pairs(_PIVOT)])), None)
        placed = _same if units == _DISPLAY else self._display.of_image
        for stroke in strokes(graphic, points, unit, pivot):
            self._line([placed(point) for point in stroke], style)
        for point, label in tick_labels(graphic, points, pivot):
            self._write(placed(point), label, "mm", style.colour)

    def _text(self, text: Attributes, colour: Colour) -> None:
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
            self._line([anchor[0], end], Style(colour))
        side, x = {"RIGHT": ("r", right), "CENTER": ("m", (left + right) / 2)}.get(text.text(_JUSTIFIED), ("l", left))
        lines = text.text(_TEXT)[:_LONGEST_TEXT].replace("\r\n", "\n").replace("\r", "\n")
        self._write((x, top), lines, f"{side}a", colour)

    def _placed(self, point: Point, units: str) -> Point:
        return self._display.of_display(point) if units == _DISPLAY else self._display.of_image(point)

    def _line(self, points: Sequence[Point], style: Style) -> None:
        if len(points) < 2:
            return
        self._uses(style.colour)
        near = _near(points)
        for line in [near] if self._holds(near) else self._visible(near):
            for part in _dashes(line) if style.dashed else [line]:
                self._pen.line(part, fill=style.colour, width=style.thickness)

    def _holds(self, points: Sequence[Point]) -> bool:
        return all(0 <= x <= self.canvas.width and 0 <= y <= self.canvas.height for x, y in points)

    def _visible(self, points: Sequence[Point]) -> Iterator[list[Point]]:
        """Each piece of a line as far as it comes near the picture: a pen goes all the way, seen or not."""
        for start, end in pairwise(points):
            inside = _clipped(start, end, self.canvas.width, self.canvas.height)
            if inside is not None:
                yield [_between(start, end, part) for part in inside]

    def _fill(self, points: Sequence[Point], style: Style) -> None:
        self._uses(style.fill)
        near = _near(points)
        left, top = (max(0, math.floor(min(point[axis] for point in near))) for axis in (0, 1))
        right, bottom = (
            min(size, math.ceil(max(point[axis] for point in near)) + 1) for axis, size in enumerate(self.canvas.size)
        )
        if left < right and top < bottom:
            covered = Image.new("L", (right - left, bottom - top))
            corners = [(x - left, y - top) for x, y in near]
            ImageDraw.Draw(covered).polygon(corners, fill=round(255 * style.opacity))
            self.canvas.paste(style.fill, (left, top, right, bottom), covered)
        self._line(points, style)

    def _dot(self, points: Sequence[Point], style: Style) -> None:
        self._uses(style.colour)
        radius = max(style.thickness, self.canvas.height // 256) / 2
        for x, y in _near(points):
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=style.colour)

    def _write(self, at: Point, text: str, anchor: str, colour: Colour) -> None:
        beside = not (-self.canvas.width <= at[0] <= 2 * self.canvas.width)
        if beside or not (-self.canvas.height <= at[1] <= 2 * self.canvas.height):
            return
        self._letters_left -= len(text)
        if self._letters_left < 0:
            raise Undecodable(f"more than {_MOST_LETTERS} letters on one frame are not drawn")
        self._uses(colour)
        edge = (0, 0, 0) if sum(colour) > 3 * 64 else WHITE
        align = {"r": "right", "m": "center"}.get(anchor[0], "left")
        text, font = lettered(text, self._size)
        self._pen.text(at, text, font=font, fill=colour, stroke_width=1, stroke_fill=edge, anchor=anchor, align=align)

    def _uses(self, colour: Colour) -> None:
        self.coloured |= len(set(colour)) > 1


def _without_equivalent(layer: Attributes) -> Iterator[Attributes]:
    """Compound graphics that their writer has not drawn as simple ones as well (C.10.5.1.3.1)."""
    drawn = {
        simple.number(_COMPOUND_ID) for simple in layer.items(_GRAPHICS) + layer.items(_TEXTS) if _COMPOUND_ID in simple
    }
    return (graphic for graphic in layer.items(_COMPOUNDS) if graphic.number(_COMPOUND_ID) not in drawn)


def _same(point: Point) -> Point:
    return point


def _near(points: Sequence[Point]) -> list[Point]:
    """As far away as can still be drawn."""
    return [(min(max(x, -_FARTHEST), _FARTHEST), min(max(y, -_FARTHEST), _FARTHEST)) for x, y in points]


def _shape(kind: str, points: list[Point]) -> list[Point]:
    """The line through which a simple graphic goes."""
    match kind:
        case "CIRCLE" if len(points) >= 2:
            middle, radius = np.array(points[0]), math.dist(points[0], points[1])
            return _round(middle, np.array([radius, 0.0]), np.array([0.0, radius]))
        case "ELLIPSE" if len(points) >= 4:
            ends = np.array(points[:4])
            return _round(ends[:2].mean(axis=0), (ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2)
    return points


def _round(middle: np.ndarray, major: np.ndarray, minor: np.ndarray) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, _STEPS + 1)[:, None]
    return [(float(x), float(y)) for x, y in middle + np.cos(angles) * major + np.sin(angles) * minor]


def _dashes(points: Sequence[Point]) -> Iterator[list[Point]]:
    """A line in dashes, which go on around its corners."""
    passed = 0.0
    for start, end in pairwise(points):
        length = min(math.dist(start, end), 1 << 15)
        at = -(passed % (_DASH + _GAP))
        while at < length:
            first, last = max(at, 0.0), min(at + _DASH, length)
            if first < last:
                yield [_between(start, end, part / length) for part in (first, last)]
            at += _DASH + _GAP
        passed += length


def _between(start: Point, end: Point, part: float) -> Point:
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _clipped(start: Point, end: Point, width: int, height: int) -> tuple[float, float] | None:
    """From which part of a piece of line to which it is within the picture and a margin; None where it is not."""
    first, last = 0.0, 1.0
    for axis, size in enumerate((width, height)):
        change = end[axis] - start[axis]
        low, high = -THICKEST - start[axis], size + THICKEST - start[axis]
        if change == 0:
            if low > 0 or high < 0:
                return None
            continue
        ends = sorted((low / change, high / change))
        first, last = max(first, ends[0]), min(last, ends[1])
    return (first, last) if first < last else None
