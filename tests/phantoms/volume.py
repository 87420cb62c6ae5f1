"""Pixels: a body of ellipsoids with noise, so that compressors have something to do and no two slices are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ORGANS = (
    # centre (z, y, x) and radii in parts of the volume, stored value
    ((0.5, 0.5, 0.5), (0.75, 0.40, 0.45), 1040),
    ((0.5, 0.48, 0.33), (0.45, 0.20, 0.12), 220),
    ((0.5, 0.48, 0.67), (0.45, 0.20, 0.12), 240),
    ((0.5, 0.72, 0.50), (0.90, 0.06, 0.06), 1900),
    ((0.6, 0.55, 0.42), (0.20, 0.10, 0.14), 1100),
)
_AIR = 24


def slice_of(number: int, count: int, size: int, *, seed: int = 1) -> NDArray[np.uint16]:
    """Slice ``number`` (from 0) of ``count``: (size, size), 12 bits stored, lowest value 0."""
    z = (number + 0.5) / count
    y, x = (np.arange(size) + 0.5)[:, None] / size, (np.arange(size) + 0.5)[None, :] / size
    image = np.full((size, size), _AIR, np.int32)
    for (cz, cy, cx), (rz, ry, rx), value in _ORGANS:
        image[((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = value
    noise = np.random.Generator(np.random.PCG64([seed, number])).integers(-12, 13, (size, size))
    pixels: NDArray[np.uint16] = np.clip(image + noise, 0, 4095).astype(np.uint16)
    return pixels


def colours(number: int, count: int, size: int) -> NDArray[np.uint8]:
    """Frame ``number`` of a cine of ``count``: (size, size, 3), RGB, a disc moving over a ramp."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = np.stack([x, y, 1 - x], axis=-1) * 160
    image[(x - (number + 0.5) / count) ** 2 + (y - 0.5) ** 2 < 0.02] = (250, 240, 20)
    return image.astype(np.uint8)
