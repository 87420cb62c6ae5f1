"""Where a frame lies in the patient (PS3.3 C.7.6.2.1.1), and where its pixels are in another frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.groups import of_frame

_PLACE, _POSITION = "00209113", "00200032"
_ORIENTED, _ORIENTATION = "00209116", "00200037"
_MEASURES, _SPACING, _THICKNESS = "00289110", "00280030", "00180050"
_FRAME_OF_REFERENCE = "00200052"
_PARALLEL = 0.999
_TOLERANCE = 0.01
"""Millimetres that positions are written to."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Millimetres. ``across`` and ``down`` lead from one pixel to the next of a row and a column."""

    reference: str
    origin: Reals
    across: Reals
    down: Reals
    thickness: float

    @property
    def normal(self) -> Reals:
        found = np.cross(self.across, self.down)
        return found / np.linalg.norm(found)

    def moved(self, matrix: Reals, reference: str) -> Plane:
        """By an affine matrix of 4 x 4 into another frame of reference; where that flattens it, as it was."""
        linear = matrix[:3, :3]
        across, down = linear @ self.across, linear @ self.down
        if not np.linalg.norm(np.cross(across, down)) > 0:
            return self
        thickness = self.thickness * float(np.linalg.norm(linear @ self.normal))
        return Plane(reference, linear @ self.origin + matrix[:3, 3], across, down, thickness)

    def pixels_in(self, other: Plane, rows: int, columns: int) -> tuple[Reals, Reals]:
        """Row and column in ``other``, from 0 and with parts, of every pixel of this frame."""
        down, across = np.mgrid[0:rows, 0:columns].astype(np.float64)
        offset = self.origin - other.origin
        found = []
        for axis in (other.down, other.across):
            step = axis / float(np.dot(axis, axis))
            start, by_row, by_column = (float(np.dot(part, step)) for part in (offset, self.down, self.across))
            found.append(start + down * by_row + across * by_column)
        return found[0], found[1]


class Planes:
    """Many planes, to be looked through at once."""

    def __init__(self, planes: Sequence[Plane]) -> None:
        self._references = np.array([plane.reference for plane in planes], object)
        self._origins = np.array([plane.origin for plane in planes]).reshape(-1, 3)
        self._normals = np.array([plane.normal for plane in planes]).reshape(-1, 3)
        self._reaches = np.array([plane.thickness for plane in planes]) / 2 + _TOLERANCE

    def closest(self, place: Plane) -> int | None:
        """Which is the least off along the normal of those parallel, in its frame of reference, and no farther off than
        half of its own thickness."""
        normal = place.normal
        apart = np.abs((self._origins - place.origin) @ normal)
        fitting = (self._references == place.reference) & (np.abs(self._normals @ normal) >= _PARALLEL)
        fitting &= apart <= self._reaches
        return int(np.argmin(np.where(fitting, apart, np.inf))) if fitting.any() else None


def plane_of(attributes: Attributes, frame: int) -> Plane | None:
    """The plane of a frame, from 0; None where it does not say where it lies."""
    position = (of_frame(attributes, frame, _PLACE) or attributes).numbers(_POSITION)
    directions = (of_frame(attributes, frame, _ORIENTED) or attributes).numbers(_ORIENTATION)
    measures = of_frame(attributes, frame, _MEASURES) or attributes
    spacing, reference = measures.numbers(_SPACING), attributes.text(_FRAME_OF_REFERENCE)
    if len(position) != 3 or len(directions) != 6 or len(spacing) != 2 or min(spacing) <= 0 or not reference:
        return None
    across, down = np.array(directions[:3]) * spacing[1], np.array(directions[3:]) * spacing[0]
    if not np.linalg.norm(np.cross(across, down)) > 0:
        return None
    return Plane(reference, np.array(position), across, down, measures.number(_THICKNESS) or 1.0)
