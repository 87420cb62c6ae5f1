"""What stands for an object without a picture, or with none that may be shown: its modality on a card (R-21, R-22)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from dicomweb_server.dicom.rendering.formats import written

_GROUND, _CARD, _EDGE, _SIGN, _INK = 16, 38, 72, 118, 226
_FINER, _LARGEST = 4, 2048
"""Drawn so many times larger and shrunk, for smooth edges; pixels a side that need none."""
_DOCUMENTS = {"SR", "DOC", "KO", "PR", "PLAN", "RTPLAN", "RTRECORD", "RTINTENT", "ANN"}
_WAVES = {"ECG", "HD", "EPS", "RESP", "EEG", "EMG", "EOG", "PLS", "AU"}
_OUTLINES = {"RTSTRUCT", "SEG", "M3D", "REG", "FID", "RWV"}


@lru_cache(maxsize=64)
def icon(
    modality: str, *, width: int = 128, height: int = 128, media_type: str = "image/jpeg", video: bool = False
) -> bytes:
    """A card with the modality, and above it a sign of what it is: a sheet, a curve, an outline, a film."""
    label = "".join(c for c in modality.upper() if c.isalnum())[:8] or "?"
    finer = max(1, min(_FINER, _LARGEST // max(width, height)))
    large = Image.new("L", (width * finer, height * finer), _GROUND)
    pen = ImageDraw.Draw(large)
    side = min(large.size)
    left, top = (large.width - side) / 2, (large.height - side) / 2
    edge = side * 0.06
    card = (left + edge, top + edge, left + side - edge, top + side - edge)
    pen.rounded_rectangle(card, radius=side * 0.08, fill=_CARD, outline=_EDGE, width=max(1, side // 96))
    sign = _film if video else _sign_of(label)
    if sign is not None:
        sign(pen, left + side / 2, top + side * 0.36, side * 0.2)
    middle = top + side * (0.74 if sign is not None else 0.5)
    pen.text((left + side / 2, middle), label, font=_fitting(label, side), fill=_INK, anchor="mm")
    return written(large.reduce(finer), media_type)


def _sign_of(label: str) -> Callable[[ImageDraw.ImageDraw, float, float, float], None] | None:
    signs = ((_DOCUMENTS, _sheet), (_WAVES, _curve), (_OUTLINES, _outline))
    return next((sign for labels, sign in signs if label in labels), None)


def _fitting(label: str, side: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """As large as the card allows."""
    size = side * 0.2
    width = ImageFont.load_default(size).getbbox(label)[2]
    return ImageFont.load_default(size * min(1.0, side * 0.74 / width))


def _sheet(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    wide, fold = size * 0.8, size * 0.5
    corners = [
        (x - wide, y - size),
        (x + wide - fold, y - size),
        (x + wide, y - size + fold),
        (x + wide, y + size),
        (x - wide, y + size),
    ]
    pen.polygon(corners, fill=_SIGN)
    pen.polygon([corners[1], (x + wide - fold, y - size + fold), corners[2]], fill=_EDGE)
    for row in range(3):
        at = y - size * 0.1 + row * size * 0.38
        pen.line((x - wide * 0.65, at, x + wide * 0.65, at), fill=_CARD, width=max(1, round(size * 0.12)))


def _curve(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    beat = ((-1.5, 0), (-0.8, 0), (-0.6, -0.3), (-0.4, 0), (-0.2, 0.25), (0, -1), (0.2, 0.8), (0.4, 0), (0.8, -0.35))
    points = [(x + across * size, y + down * size) for across, down in (*beat, (1.05, 0), (1.5, 0))]
    pen.line(points, fill=_SIGN, width=max(1, round(size * 0.13)), joint="curve")


def _outline(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """Of an organ, closed and filled."""
    points = []
    for step in range(72):
        angle = math.pi * step / 36
        radius = size * (1 + 0.18 * math.sin(2 * angle + 0.6) + 0.12 * math.cos(3 * angle))
        points.append((x + radius * math.cos(angle) * 1.1, y + radius * math.sin(angle) * 0.9))
    pen.polygon(points, fill=_EDGE)
    pen.line([*points, points[0], points[1]], fill=_SIGN, width=max(1, round(size * 0.13)), joint="curve")


def _film(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    pen.ellipse((x - size, y - size, x + size, y + size), outline=_SIGN, width=max(1, round(size * 0.13)))
    pen.polygon(
        [(x - size * 0.32, y - size * 0.5), (x - size * 0.32, y + size * 0.5), (x + size * 0.55, y)], fill=_SIGN
    )
