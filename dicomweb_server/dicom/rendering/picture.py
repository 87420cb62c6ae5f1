"""One decoded frame to a display image: modality, VOI, presentation, colour (PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Cells, Grey, Reals
from dicomweb_server.dicom.pixels.colour import as_rgb
from dicomweb_server.dicom.pixels.decode import Frame
from dicomweb_server.dicom.pixels.facts import Element, ImageFacts
from dicomweb_server.dicom.rendering.labels import highest_label, in_colours, is_label_map
from dicomweb_server.dicom.rendering.lut import signed_16
from dicomweb_server.dicom.rendering.modality import modality_of, significant
from dicomweb_server.dicom.rendering.palette import coloured, first_coloured, has_palette, partly_coloured
from dicomweb_server.dicom.rendering.request import Window
from dicomweb_server.dicom.rendering.voi import Ranged, Voi, Windowed, voi_of

_MAXIMUM_FRACTION = "0062000E"
_PADDING, _PADDING_LIMIT = "00280120", "00280121"
_SHAPE = "20500020"


@dataclass(frozen=True, slots=True)
class Subject:
    """The image a frame belongs to."""

    facts: ImageFacts
    attributes: Attributes
    number: int = 0
    """Of the frame, from 0."""


def picture(frame: Frame, subject: Subject, window: Window | None = None) -> Grey:
    """The frame as 8-bit grey or RGB. ``window`` replaces the frame's own VOI; colour images know none."""
    frame = as_rgb(frame)
    if frame.cells.ndim == 3:
        return _eight_bits(frame.cells, subject.facts)
    if frame.photometric == "PALETTE COLOR" and has_palette(subject.attributes):
        return coloured(significant(frame.cells, subject.facts), subject.attributes)
    cells = significant(frame.cells, subject.facts)
    labels = in_colours(cells, subject.attributes) if is_label_map(subject.attributes) else None
    if labels is not None:
        return labels
    first = first_coloured(subject.attributes, frame.photometric)
    if first is None:
        return _looked_up(cells, grey_stage(cells, subject, frame.photometric, window))
    grey = _looked_up(cells, grey_stage(cells[np.less(cells, first)], subject, frame.photometric, window))
    return partly_coloured(grey, cells, subject.attributes, first)


def are_quantities(photometric: str, samples: int, attributes: Attributes) -> bool:
    """Whether the cells of a frame stand for amounts, of which there is a mean, and not for colours or segments."""
    if samples > 1 or (photometric == "PALETTE COLOR" and has_palette(attributes)):
        return False
    return first_coloured(attributes, photometric) is None and not is_label_map(attributes)


def grey_stage(cells: Cells, subject: Subject, photometric: str, window: Window | None) -> Callable[[Reals], Grey]:
    """What turns stored values of this frame into brightness; ``cells`` give its range where it has no window."""
    attributes, number = subject.attributes, subject.number
    modality = modality_of(attributes, number, signed=subject.facts.signed)
    voi: Voi | None = Windowed(window) if window else voi_of(attributes, number, signed=modality.below_zero)
    if voi is None:
        low, high = _range(cells, subject)
        bounds = modality(np.array([low, high]))
        voi = Ranged(float(bounds.min()), float(bounds.max()))
    inverse = photometric == "MONOCHROME1" or attributes.text(_SHAPE) == "INVERSE"
    top, bottom = (0.0, 255.0) if inverse else (255.0, 0.0)

    def brightness(stored: Reals) -> Grey:
        bright = np.nan_to_num(voi(modality(stored)), nan=0.0) * (top - bottom) + bottom
        return (bright + 0.5).astype(np.uint8)

    return brightness


def _looked_up(cells: Cells, stage: Callable[[Reals], Grey]) -> Grey:
    """Through a table over the values that occur where that is less work than each pixel by itself."""
    if cells.dtype.kind == "f" or cells.size == 0:
        with np.errstate(over="ignore", invalid="ignore"):
            return stage(cells.astype(np.float64))
    low, high = int(cells.min()), int(cells.max())
    if high - low >= cells.size:
        return stage(cells.astype(np.float64))
    table = stage(np.arange(low, high + 1, dtype=np.float64))
    return table.take(_steps(cells, low))


def _steps(cells: Cells, low: int) -> NDArray[np.intp]:
    """How far each cell is above ``low``; reckoned unsigned, so that what wraps around comes out right."""
    unsigned = np.dtype(f"u{cells.dtype.itemsize}")
    steps: NDArray[np.unsignedinteger] = cells.view(unsigned) - unsigned.type(low % (1 << cells.dtype.itemsize * 8))
    return steps.astype(np.intp)


def _range(cells: Cells, subject: Subject) -> tuple[float, float]:
    """The stored values a frame without a window spans, padding and what is not finite left out (R-17)."""
    if subject.facts.bits_allocated == 1 and subject.facts.element is Element.INTEGER:
        return 0.0, 1.0
    attributes = subject.attributes
    if is_label_map(attributes):
        return 0.0, float(highest_label(attributes) or cells.max(initial=1))
    fraction = attributes.number(_MAXIMUM_FRACTION)
    if fraction:
        return 0.0, fraction
    counted = cells[np.isfinite(cells)] if cells.dtype.kind == "f" else cells
    ends = padding(subject)
    if ends and counted.size:
        values = counted.astype(np.float64)
        kept = counted[(values < ends[0]) | (values > ends[1])]
        counted = kept if kept.size else counted
    return (float(counted.min()), float(counted.max())) if counted.size else (0.0, 1.0)


def padding(subject: Subject) -> list[float]:
    """The lowest and the highest stored value that is padding, written as SS or, of signed cells too, as US."""
    found = [subject.attributes.number(tag) for tag in (_PADDING, _PADDING_LIMIT)]
    ends = [end for end in found if end is not None]
    if found[0] is None:
        return []
    if subject.facts.signed and subject.facts.bits_allocated == 16:
        ends = [float(signed_16(int(end))) for end in ends]
    return [min(ends), max(ends)]


def _eight_bits(cells: Cells, facts: ImageFacts) -> Grey:
    """Colour samples cut to 8 bits; a fourth sample (ARGB, CMYK: retired) is left out."""
    samples = cells[..., :3]
    if samples.dtype.itemsize == 1:
        return np.ascontiguousarray(samples).view(np.uint8)
    unsigned = samples.view(np.dtype(f"<u{samples.dtype.itemsize}"))
    return (unsigned >> max(min(facts.bits_stored, facts.bits_allocated) - 8, 0)).astype(np.uint8)
