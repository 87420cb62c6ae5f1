"""Pixels: a head of ellipsoids with noise, so that compressors have something to do and no two slices are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Plane = NDArray[Any]
"""(rows, columns) of float32."""

Tissues = Mapping[str, int]
"""The value that is stored for each tissue, 0 to 4095."""

CT: Tissues = {
    "air": 24, "scalp": 1060, "bone": 1900, "grey": 1062, "white": 1052, "fluid": 1030, "falx": 1100, "bleeding": 1092,
}  # fmt: skip
"""Hounsfield units + 1024."""

T1: Tissues = {
    "air": 20, "scalp": 1500, "bone": 90, "grey": 620, "white": 900, "fluid": 220, "falx": 320, "bleeding": 1250,
}  # fmt: skip
"""Short echo and repetition times: fluid is dark."""

T2: Tissues = {
    "air": 20, "scalp": 800, "bone": 70, "grey": 760, "white": 520, "fluid": 1700, "falx": 200, "bleeding": 330,
}  # fmt: skip
"""Long echo time: fluid is bright."""


@dataclass(frozen=True, slots=True)
class _Ellipsoid:
    """Centre and radii along z, y, x in a cube from -1 to 1: z to the head, y to the back, x to the left."""

    tissue: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    degrees: float = 0.0
    """Turned around z."""
    folds: float = 0.0
    """How far its surface goes in and out, in parts of its radius."""


_HEAD = (
    _Ellipsoid("scalp", (-0.05, 0.0, 0.0), (0.99, 0.90, 0.72)),
    _Ellipsoid("bone", (-0.05, 0.0, 0.0), (0.94, 0.84, 0.66)),
    _Ellipsoid("fluid", (-0.05, 0.0, 0.0), (0.87, 0.76, 0.585)),
    _Ellipsoid("grey", (-0.05, 0.0, 0.0), (0.84, 0.74, 0.565), folds=0.035),
    _Ellipsoid("white", (-0.05, 0.0, 0.0), (0.72, 0.63, 0.46), folds=0.09),
    _Ellipsoid("falx", (0.35, -0.02, 0.0), (0.55, 0.62, 0.010)),
    _Ellipsoid("grey", (-0.02, 0.02, -0.17), (0.20, 0.17, 0.09), degrees=20),
    _Ellipsoid("grey", (-0.02, 0.02, 0.17), (0.20, 0.17, 0.09), degrees=-20),
    _Ellipsoid("fluid", (0.12, -0.12, -0.11), (0.26, 0.26, 0.055), degrees=-16),
    _Ellipsoid("fluid", (0.12, -0.12, 0.11), (0.26, 0.26, 0.055), degrees=16),
    _Ellipsoid("fluid", (-0.05, 0.04, 0.0), (0.12, 0.14, 0.018)),
    _Ellipsoid("fluid", (-0.48, -0.66, -0.30), (0.15, 0.14, 0.14)),
    _Ellipsoid("fluid", (-0.48, -0.66, 0.30), (0.15, 0.14, 0.14)),
    _Ellipsoid("bleeding", (0.14, 0.24, 0.31), (0.13, 0.12, 0.09), degrees=-30, folds=0.06),
)
LOWEST, HIGHEST = -0.82, 0.74
"""What is scanned along z: every slice shows something."""

_EDGE = 0.02
"""A surface is this wide: cells that it cuts hold a part of each tissue."""
_NOISE = 9
_REACH = 1.2
"""No surface lies farther from its centre, folds and edge included, in parts of its radius."""
_FOLDS = ((17, 9.0, 1.0), (31, -23.0, 0.5))
"""Waves of a folded surface: how many around the axis, how fast they turn along it, how high they are."""


def slice_of(number: int, count: int, size: int, *, tissues: Tissues = CT, seed: int = 1) -> NDArray[np.uint16]:
    """Axial slice ``number`` (from 0, the lowest) of ``count``: (size, size), 12 bits stored."""
    z = height_of(number, count)
    image = np.full((size, size), tissues["air"], np.float32)
    for one in _HEAD:
        if abs(z - one.centre[0]) < one.radii[0] * _REACH:
            image += _share(one, z, size) * (tissues[one.tissue] - image)
    noise = np.random.Generator(np.random.PCG64([seed, number])).integers(-_NOISE, _NOISE, (size, size), np.int8)
    pixels: NDArray[np.uint16] = np.clip(np.rint(image) + noise, 0, 4095).astype(np.uint16)
    return pixels


def height_of(number: int, count: int) -> float:
    """Where a slice lies between -1 and 1."""
    return LOWEST + (HIGHEST - LOWEST) * (number + 0.5) / count


def _share(one: _Ellipsoid, z: float, size: int) -> _Plane:
    """How much of each cell of a slice lies within."""
    distance = np.sqrt(_across(one, size) + np.float32(((z - one.centre[0]) / one.radii[0]) ** 2))
    if one.folds:
        for times, turn, weight in _FOLDS:
            sine, cosine = _waves(one, size, times)
            moved = sine * np.float32(np.cos(turn * z)) + cosine * np.float32(np.sin(turn * z))
            distance *= 1 + np.float32(one.folds * weight) * moved
    share: _Plane = np.clip((1 - distance) * np.float32(max(min(one.radii) / _EDGE, 4)) + 0.5, 0, 1)
    return share


@lru_cache(128)
def _across(one: _Ellipsoid, size: int) -> _Plane:
    """Squared distance from the axis, 1 where the surface is at the height of the centre."""
    along, across = _axes(one, size)
    squared: _Plane = along**2 + across**2
    return squared


@lru_cache(128)
def _waves(one: _Ellipsoid, size: int, times: int) -> tuple[_Plane, _Plane]:
    """Sine and cosine of a multiple of the angle around the axis."""
    along, across = _axes(one, size)
    angle = np.arctan2(across, along) * np.float32(times)
    return np.sin(angle), np.cos(angle)


def _axes(one: _Ellipsoid, size: int) -> tuple[_Plane, _Plane]:
    steps = (2 * (np.arange(size) + 0.5) / size - 1).astype(np.float32)
    dy, dx = steps[:, None] - np.float32(one.centre[1]), steps[None, :] - np.float32(one.centre[2])
    cosine, sine = np.float32(np.cos(np.radians(one.degrees))), np.float32(np.sin(np.radians(one.degrees)))
    along = (dy * cosine + dx * sine) / np.float32(one.radii[1])
    across = (dx * cosine - dy * sine) / np.float32(one.radii[2])
    return along, across


def colours(number: int, count: int, size: int) -> NDArray[np.uint8]:
    """Frame ``number`` of a cine of ``count``: (size, size, 3), RGB, a disc moving over a ramp."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = np.stack([x, y, 1 - x], axis=-1) * 160
    image[(x - (number + 0.5) / count) ** 2 + (y - 0.5) ** 2 < 0.02] = (250, 240, 20)
    return image.astype(np.uint8)
