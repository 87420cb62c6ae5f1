"""Parts of an image whose corners are given as rows and columns from 1 (PS3.3 C.7.6.11, C.11.19)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Area = NDArray[np.bool_]
"""True where a pixel belongs to it."""

_FARTHEST = 1 << 20
"""Pixels beside the image where a corner still is what it says."""


def polygon(corners: Sequence[float], shape: tuple[int, int]) -> Area:
    """What lies in or on the polygon; the corners are row, column, row, column..."""
    ends = np.clip(np.array(corners[: len(corners) // 2 * 2]).reshape(-1, 2) - 1, -_FARTHEST, _FARTHEST)
    covered = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(covered).polygon([(column, row) for row, column in ends.tolist()], fill=1)
    return np.array(covered)


def rectangle(corners: Sequence[float], shape: tuple[int, int]) -> Area:
    """Between row and column of one corner and those of the opposite one, both included."""
    (top, bottom), (left, right) = sorted(corners[0:4:2]), sorted(corners[1:4:2])
    down, across = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    inside: Area = (down >= top) & (down <= bottom) & (across >= left) & (across <= right)
    return inside
