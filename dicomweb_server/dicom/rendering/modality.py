"""Stored cells to the values they mean: significant bits, then rescale or Modality LUT (PS3.3 C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Cells, Reals
from dicomweb_server.dicom.pixels.facts import Element, ImageFacts
from dicomweb_server.dicom.rendering.groups import of_frame
from dicomweb_server.dicom.rendering.lut import Lut, lut_of

_MODALITY_LUT = "00283000"
_TRANSFORMATION = "00289145"
_REAL_WORLD = "00409096"
_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


@dataclass(frozen=True, slots=True)
class Modality:
    """Slope and intercept, or a table."""

    slope: float = 1.0
    intercept: float = 0.0
    lut: Lut | None = None

    signed: bool = False
    """Whether stored values may be below 0."""

    def __call__(self, stored: Reals) -> Reals:
        if self.lut is not None:
            return self.lut(stored)
        return stored * self.slope + self.intercept

    def range(self, facts: ImageFacts) -> tuple[float, float] | None:
        """The lowest and the highest value that can come out; None where any can."""
        if self.lut is not None:
            return 0.0, self.lut.top
        if facts.element is not Element.INTEGER:
            return None
        bits = min(max(facts.bits_stored, 1), facts.bits_allocated)
        stored = np.array([-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1] if facts.signed else [0.0, 2.0**bits - 1])
        low, high = sorted(self(stored).tolist())
        return low, high

    @property
    def below_zero(self) -> bool:
        """Whether what comes out may be below 0."""
        return self.lut is None and (self.signed or self.slope < 0 or self.intercept < 0)


def modality_of(attributes: Attributes, frame: int, *, signed: bool = False) -> Modality:
    """The modality stage of a frame. What is missing or no number leaves values as they are.

    ``signed``: stored values may be below 0.
    """
    place = of_frame(attributes, frame, _TRANSFORMATION) or attributes
    lut = lut_of(place.item(_MODALITY_LUT), signed=signed) if place.values(_MODALITY_LUT) else None
    slope = place.number("00281053")
    if slope is None and lut is None and attributes.text("00080016") == _PARAMETRIC_MAP:
        return _real_world(attributes, frame, signed)
    return Modality(slope or 1.0, place.number("00281052") or 0.0, lut, signed)


def _real_world(attributes: Attributes, frame: int, signed: bool) -> Modality:
    """A parametric map has its slope in the first Real World Value Mapping (R-17); no window of others counts in it."""
    mapping = of_frame(attributes, frame, _REAL_WORLD) or attributes.item(_REAL_WORLD)
    slope = mapping.number("00409225")
    return Modality(slope or 1.0, mapping.number("00409224") or 0.0, signed=signed)


def significant(cells: Cells, facts: ImageFacts) -> Cells:
    """Cells with only the bits from HighBit down that BitsStored counts, sign extended (PS3.5 8.1.1)."""
    width = cells.dtype.itemsize * 8
    stored, high = facts.bits_stored, facts.high_bit
    if facts.element is not Element.INTEGER or cells.dtype.kind not in "iu" or facts.bits_allocated == 1:
        return cells
    if not 0 < stored < width or not stored - 1 <= high < width:
        return cells
    bits: NDArray[np.unsignedinteger] = cells.view(np.dtype(f"<u{cells.dtype.itemsize}"))
    lifted = np.left_shift(bits, width - 1 - high).view(cells.dtype)
    shifted: Cells = np.right_shift(lifted, width - stored)
    return shifted
