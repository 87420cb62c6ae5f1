"""Compound graphics as strokes (PS3.3 C.10.5.1.3; R-15).

Each stroke is a line through points in the units that are given. An arrow has no head: at which end is left open, and a
wrong one would point at something else. Its writer has to draw it in simple graphics as well, which are taken then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.display import Point

Stroke = list[Point]

_TYPE, _GAP, _VISIBLE = "00700294", "00700261", "00700262"
_ANGLE, _PIVOT = "00700230", "00700273"
_TICKS, _TICK, _LABEL, _LABELLED = "00700287", "00700288", "00700289", "00700278"
_MOST_TICKS = 500
_ALIGNED, _LABEL_ALIGNED = "00700274", "00700279"
_TICK_LENGTH, _LABEL_DISTANCE = 4.0, 3.0
_WITH_TICKS = {"RULER", "AXIS"}
_FAR = float(1 << 15)


def strokes(graphic: Attributes, points: Sequence[Point], unit: float, pivot: Point | None) -> list[Stroke]:
    """What a compound graphic of these points consists of; nothing where it has too few of them.

    ``unit``: pixels that lengths of the graphic count in. ``pivot``: what it is turned around, counterclockwise.
    """
    found = _unturned(graphic, points, unit)
    angle = math.radians(graphic.number(_ANGLE) or 0.0)
    return [[_turned(point, pivot, angle) for point in stroke] for stroke in found] if pivot and angle else found


def tick_labels(graphic: Attributes, points: Sequence[Point], pivot: Point | None) -> list[tuple[Point, str]]:
    """What is written beside the ticks, and where its middle is."""
    if graphic.text(_LABELLED) != "Y" or graphic.text(_TYPE) not in _WITH_TICKS or len(points) < 2:
        return []
    angle = math.radians(graphic.number(_ANGLE) or 0.0)
    away = -_LABEL_DISTANCE if graphic.text(_LABEL_ALIGNED) == "TOP" else _LABEL_DISTANCE
    found = []
    for item, (x, y), (across, down) in _placed_ticks(graphic, *points[:2]):
        place = (x + across * away, y + down * away)
        found.append((_turned(place, pivot, angle) if pivot and angle else place, item.text(_LABEL)))
    return found


def _unturned(graphic: Attributes, points: Sequence[Point], unit: float) -> list[Stroke]:
    kind, gap = graphic.text(_TYPE), _length(graphic, _GAP, unit)
    if kind == "CROSSHAIR" and points:
        return _cross(points[0], gap / 2, _length(graphic, _VISIBLE, unit) / 2 or _FAR)
    if len(points) < 2:
        return []
    first, second = points[:2]
    match kind:
        case "RECTANGLE":
            return [[first, (second[0], first[1]), second, (first[0], second[1]), first]]
        case "ELLIPSE":
            return [_ellipse(first, second)]
        case "MULTILINE":
            return [[*pair] for pair in zip(points[::2], points[1::2], strict=False)]
        case "INFINITELINE":
            return _parted(_along(first, second, -_FAR), _along(first, second, _FAR), first, second, gap)
        case "CUTLINE":
            return _parted(first, second, first, second, gap)
        case _ if kind in _WITH_TICKS:
            return [[*points], *_ticks(graphic, first, second)]
    return [[*points]]


def _length(graphic: Attributes, tag: str, unit: float) -> float:
    return min(abs(graphic.number(tag) or 0.0) * unit, _FAR)


def _parted(start: Point, end: Point, first: Point, second: Point, gap: float) -> list[Stroke]:
    """A line with a gap in the middle between the two points."""
    if gap <= 0:
        return [[start, end]]
    half = math.dist(first, second) / 2
    return [[start, _along(first, second, half - gap / 2)], [_along(first, second, half + gap / 2), end]]


def _along(first: Point, second: Point, distance: float) -> Point:
    """From the first point so far towards the second."""
    length = math.dist(first, second) or 1.0
    return (
        first[0] + (second[0] - first[0]) / length * distance,
        first[1] + (second[1] - first[1]) / length * distance,
    )


def _cross(middle: Point, inner: float, outer: float) -> list[Stroke]:
    x, y = middle
    return [
        [(x + across * inner, y + down * inner), (x + across * outer, y + down * outer)]
        for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]


def _ellipse(first: Point, second: Point) -> Stroke:
    """In the rectangle of two corners."""
    x, y = (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
    wide, high = (second[0] - first[0]) / 2, (second[1] - first[1]) / 2
    angles = (2 * math.pi * step / 72 for step in range(73))
    return [(x + wide * math.cos(angle), y + high * math.sin(angle)) for angle in angles]


def _ticks(graphic: Attributes, first: Point, second: Point) -> list[Stroke]:
    """At parts of the length of the line: across it, or below or above one that leads to the right."""
    start, end = {"BOTTOM": (0.0, 2.0), "TOP": (-2.0, 0.0)}.get(graphic.text(_ALIGNED), (-1.0, 1.0))
    return [
        [(x + across * start, y + down * start), (x + across * end, y + down * end)]
        for _, (x, y), (across, down) in _placed_ticks(graphic, first, second)
    ]


def _placed_ticks(graphic: Attributes, first: Point, second: Point) -> Iterator[tuple[Attributes, Point, Point]]:
    """Each tick, where it is, and half of its stroke."""
    length = math.dist(first, second)
    if not length:
        return
    half = (-(second[1] - first[1]) / length * _TICK_LENGTH, (second[0] - first[0]) / length * _TICK_LENGTH)
    for item in graphic.items(_TICKS)[:_MOST_TICKS]:
        place = item.number(_TICK)
        if place is not None and 0 <= place <= 1:
            yield item, _along(first, second, place * length), half


def _turned(point: Point, pivot: Point, angle: float) -> Point:
    x, y = point[0] - pivot[0], point[1] - pivot[1]
    return (
        pivot[0] + x * math.cos(angle) + y * math.sin(angle),
        pivot[1] - x * math.sin(angle) + y * math.cos(angle),
    )
