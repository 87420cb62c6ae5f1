"""A frame that is blended with others, and its pixels where another has its own (R-15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.plane import Plane
from dicomweb_server.dicom.rendering.registration import registered
from dicomweb_server.model.errors import Undecodable

S = TypeVar("S", bound=np.generic)

_MOST_PIXELS = 1 << 24
"""Of all that is blended: every pixel is looked up in parts, which takes a hundred times its memory."""


@dataclass(frozen=True, slots=True)
class Layer:
    data: bytes
    subject: Subject
    registration: Attributes | None = None

    @property
    def plane(self) -> Plane | None:
        return registered(self.subject.attributes, self.subject.number, self.registration)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of one layer are in another, in rows and columns of that one, and which are in it at all."""

    down: Reals
    across: Reals
    inside: NDArray[np.bool_]

    def nearest(self, values: NDArray[S]) -> NDArray[S]:
        """The value at each place."""
        return values[np.rint(self.down).astype(np.intp), np.rint(self.across).astype(np.intp)]

    def between(self, values: Reals) -> Reals:
        """The same in proportion to the four pixels around it; of planes of colour each."""
        top, left = np.floor(self.down).astype(np.intp), np.floor(self.across).astype(np.intp)
        bottom = np.minimum(top + 1, values.shape[0] - 1)
        right = np.minimum(left + 1, values.shape[1] - 1)
        low, near = self.down - top, self.across - left
        if values.ndim == 3:
            low, near = low[..., None], near[..., None]
        upper = values[top, left] * (1 - near) + values[top, right] * near
        lower = values[bottom, left] * (1 - near) + values[bottom, right] * near
        found: Reals = upper * (1 - low) + lower * low
        return found


def grid(layer: Layer, base: Layer) -> Grid:
    """The pixels of ``base`` in the layer: by their planes in the patient, else stretched to the same size."""
    shape, size = _size(base.subject), _size(layer.subject)
    mine, other = base.plane, layer.plane
    if mine is not None and other is not None and mine.reference == other.reference:
        down, across = mine.pixels_in(other, *shape)
    else:
        down, across = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
        down = (down + 0.5) * size[0] / shape[0] - 0.5
        across = (across + 0.5) * size[1] / shape[1] - 0.5
    edge = 0.5 + 1e-6
    inside = (down >= -edge) & (down <= size[0] - 1 + edge)
    inside &= (across >= -edge) & (across <= size[1] - 1 + edge)
    return Grid(np.clip(down, 0, size[0] - 1), np.clip(across, 0, size[1] - 1), inside)


def bearable(base: Layer, count: int) -> None:
    """Raises Undecodable for more pixels of ``count`` layers than are blended here."""
    if base.subject.facts.pixels * count > _MOST_PIXELS:
        raise Undecodable(f"frames of more than {_MOST_PIXELS} pixels together are not blended")


def _size(subject: Subject) -> tuple[int, int]:
    return subject.facts.rows, subject.facts.columns
