"""Lines, fills, dots and letters on a picture, in its own pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from dicomweb_server.dicom.rendering.display import Point
from dicomweb_server.dicom.rendering.fonts import lettered
from dicomweb_server.dicom.rendering.styles import THICKEST, WHITE, Colour, Dashes, Paint, Style, TextStyle
from dicomweb_server.model.errors import Undecodable

Box = tuple[int, int, int, int]

_MOST_LETTERS = 20_000
_FARTHEST = 1 << 20
"""Pixels away that are still drawn."""


class Pens:
    """Draws on ``canvas``, which is RGB; ``coloured`` once anything has been drawn that is not grey."""

    def __init__(self, image: Image.Image) -> None:
        self.canvas = image.convert("RGB")
        self.coloured = False
        self._pen = ImageDraw.Draw(self.canvas)
        self._letters = max(9, self.canvas.height // 32)
        self._letters_left = _MOST_LETTERS

    def line(self, points: Sequence[Point], style: Style) -> None:
        if len(points) < 2:
            return
        if style.shadow is not None:
            wider = 2 if style.shadow.outlined else 0
            self._stroke(self._seen(_moved(points, style.shadow.offset)), style.shadow.paint, style.thickness + wider)
        seen = list(self._seen(points))
        if style.dashes is None:
            self._stroke(seen, style.line, style.thickness)
            return
        if style.gaps is not None:
            self._stroke(seen, style.gaps, style.thickness)
        dashes = (dash for piece in seen for dash in _dashes(piece, style.dashes))
        self._stroke(dashes, style.line, style.thickness)

    def fill(self, points: Sequence[Point], style: Style) -> None:
        near_ones = near(points)
        box = self._box(near_ones, 1)
        if box is not None:
            corners = [(x - box[0], y - box[1]) for x, y in near_ones]
            covered = Image.new("L", (box[2] - box[0], box[3] - box[1]))
            ImageDraw.Draw(covered).polygon(corners, fill=255)
            if style.stipple is None:
                self._paste(style.fill, box, covered)
            else:
                self._paste(style.fill, box, _tiled(covered, style.stipple, box))
                if style.holes is not None:
                    self._paste(style.holes, box, _tiled(covered, ~style.stipple, box))
        self.line(points, style)

    def dot(self, points: Sequence[Point], style: Style) -> None:
        self._uses(style.line.colour)
        radius = max(style.thickness, self.canvas.height // 256) / 2
        for x, y in near(points):
            self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=style.line.colour)

    def write(self, at: Point, text: str, anchor: str, style: TextStyle) -> None:
        """Raises Undecodable for more letters than anybody could read."""
        beside = not (-self.canvas.width <= at[0] <= 2 * self.canvas.width)
        if beside or not (-self.canvas.height <= at[1] <= 2 * self.canvas.height):
            return
        self._letters_left -= len(text)
        if self._letters_left < 0:
            raise Undecodable(f"more than {_MOST_LETTERS} letters on one frame are not drawn")
        shadow, edge = style.shadow, None if style.plain else _edge(style.colour)
        if shadow is not None and shadow.outlined:
            edge = shadow.paint.colour
        elif shadow is not None:
            (moved,) = _moved([at], shadow.offset)
            self._letter(moved, text, anchor, shadow.paint.colour, None)
        self._letter(at, text, anchor, style.colour, edge)
        if style.underlined:
            self._underline(at, text, anchor, style.colour)

    def _letter(self, at: Point, text: str, anchor: str, colour: Colour, edge: Colour | None) -> None:
        self._uses(colour)
        self._uses(edge or WHITE)
        align = {"r": "right", "m": "center"}.get(anchor[0], "left")
        shown, font = lettered(text, self._letters)
        width = 0 if edge is None else 1
        self._pen.text(
            at, shown, font=font, fill=colour, stroke_width=width, stroke_fill=edge, anchor=anchor, align=align
        )

    def _underline(self, at: Point, text: str, anchor: str, colour: Colour) -> None:
        shown, font = lettered(text, self._letters)
        left, _, right, bottom = self._pen.textbbox(at, shown, font=font, anchor=anchor)
        self._pen.line([(left, bottom + 1), (right, bottom + 1)], fill=colour)

    def _stroke(self, pieces: Iterator[list[Point]] | list[list[Point]], paint: Paint, width: int) -> None:
        if paint.opacity >= 1:
            self._uses(paint.colour)
            for piece in pieces:
                self._pen.line(piece, fill=paint.colour, width=width)
            return
        held = list(pieces)
        box = self._box([point for piece in held for point in piece], width)
        if box is None:
            return
        covered = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        pen = ImageDraw.Draw(covered)
        for piece in held:
            pen.line([(x - box[0], y - box[1]) for x, y in piece], fill=255, width=width)
        self._paste(paint, box, covered)

    def _paste(self, paint: Paint, box: Box, covered: Image.Image) -> None:
        self._uses(paint.colour)
        if paint.opacity < 1:
            covered = covered.point([round(level * paint.opacity) for level in range(256)])
        self.canvas.paste(paint.colour, box, covered)

    def _box(self, points: Sequence[Point], margin: int) -> Box | None:
        """Around what is seen of the points; None where that is nothing."""
        if not points:
            return None
        left, top = (max(0, math.floor(min(point[axis] for point in points)) - margin) for axis in (0, 1))
        right, bottom = (
            min(size, math.ceil(max(point[axis] for point in points)) + margin)
            for axis, size in enumerate(self.canvas.size)
        )
        return (left, top, right, bottom) if left < right and top < bottom else None

    def _seen(self, points: Sequence[Point]) -> Iterator[list[Point]]:
        """The line; of one that leaves the picture each piece as far as it comes near: a pen goes all the way."""
        line = near(points)
        if all(0 <= x <= self.canvas.width and 0 <= y <= self.canvas.height for x, y in line):
            yield line
            return
        for start, end in pairwise(line):
            inside = _clipped(start, end, self.canvas.width, self.canvas.height)
            if inside is not None:
                yield [_between(start, end, part) for part in inside]

    def _uses(self, colour: Colour) -> None:
        self.coloured |= len(set(colour)) > 1


def near(points: Sequence[Point]) -> list[Point]:
    """As far away as can still be drawn."""
    return [(min(max(x, -_FARTHEST), _FARTHEST), min(max(y, -_FARTHEST), _FARTHEST)) for x, y in points]


def _moved(points: Sequence[Point], offset: Point) -> list[Point]:
    return [(x + offset[0], y + offset[1]) for x, y in points]


def _edge(colour: Colour) -> Colour:
    """Around letters of this colour, so that they are legible on any picture."""
    return (0, 0, 0) if sum(colour) > 3 * 64 else WHITE


def _tiled(covered: Image.Image, tile: np.ndarray, box: Box) -> Image.Image:
    """What is covered, where the tile, laid from the corner of the picture on, is true."""
    rows, columns = np.arange(box[1], box[3]) % tile.shape[0], np.arange(box[0], box[2]) % tile.shape[1]
    return Image.fromarray(np.where(tile[np.ix_(rows, columns)], np.asarray(covered), np.uint8(0)))


def _dashes(points: Sequence[Point], dashes: Dashes) -> Iterator[list[Point]]:
    """A line in dashes, which go on around its corners."""
    period, parts = dashes
    passed = 0.0
    for start, end in pairwise(points):
        length = min(math.dist(start, end), 1 << 15)
        at = -(passed % period)
        while at < length:
            for low, high in parts:
                first, last = max(at + low, 0.0), min(at + high, length)
                if first < last:
                    yield [_between(start, end, part / length) for part in (first, last)]
            at += period
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
