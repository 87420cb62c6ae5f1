"""Subtraction of mask frames, as angiography is shown (PS3.3 C.7.6.10, C.11.13, C.11.19; R-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.applicable import concerns
from dicomweb_server.dicom.rendering.areas import polygon, rectangle
from dicomweb_server.dicom.rendering.lut import Lut, lut_of
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.model.errors import Undecodable

FrameOf = Callable[[int], tuple[bytes, Subject]]
"""A frame of the same image by its number, from 1."""

_MASKS, _OPERATION, _RANGE, _MASK_FRAMES = "00286100", "00286101", "00286102", "00286110"
_LUTS, _LUT_RANGE = "00289422", "00289507"
_SHIFTS, _SHIFT_RANGE, _REGIONS, _CORNERS = "00289501", "00289506", "00289502", "00289503"
_AVERAGED, _SHIFT, _OFFSET = "00286112", "00286114", "00286120"
_MODE, _VISIBILITY = "00281090", "00289478"
_PLAYED, _DISPLAYED, _FROM, _TO = "00289505", "00089458", "00082142", "00082143"
_MOST_REGIONS = 64
_MOST_FRAMES = 64
"""Decoded for one mask; no more are averaged in practice than a heart beat has."""


def subtracted(values: Reals, subject: Subject, state: Attributes, values_of: Callable[[int], Reals]) -> Reals:
    """The values less those of the mask; unchanged where the state has no mask for this frame.

    ``values_of`` gives those of another frame, from 1. Raises Undecodable for a mask of too many frames.
    """
    number, count = subject.number + 1, subject.attributes.whole("00280008", 1)
    mode, visible = _display(subject, state)
    item = next((item for item in state.items(_MASKS) if _is_for(item, _RANGE, subject)), None)
    if item is None or mode == "NAT":
        return values
    averaged = max(1, item.whole(_AVERAGED, 1)) if item.text(_OPERATION) == "AVG_SUB" else 1
    masks = [frame for frame in _mask_frames(item, number) if 1 <= frame <= count]
    if not masks or number + averaged - 1 > count:
        return values
    if len(masks) + averaged > _MOST_FRAMES:
        raise Undecodable(f"a subtraction of more than {_MOST_FRAMES} frames")
    contrast = _mean([values, *(values_of(number + step) for step in range(1, averaged))])
    mask = _aligned(_mean([values_of(frame) for frame in masks]), item, subject)
    if mask.shape != contrast.shape:
        return values
    return contrast - mask * (1.0 - visible)


def intensity_lut(state: Attributes, subject: Subject) -> Lut | None:
    """The table that makes values of a frame logarithmic to the intensity, where it has one (PS3.4 N.2.5)."""
    beside = (item for mask in state.items(_MASKS) if concerns(mask, subject) for item in mask.items(_LUTS))
    found = next((item for item in chain(state.items(_LUTS), beside) if _is_for(item, _LUT_RANGE, subject)), None)
    return lut_of(found, signed=subject.facts.signed) if found is not None else None


def _mask_frames(item: Attributes, number: int) -> Sequence[int]:
    offset = item.whole(_OFFSET, 1)
    match item.text(_OPERATION):
        case "AVG_SUB":
            return [int(frame) for frame in item.numbers(_MASK_FRAMES)]
        case "TID":
            return [number - offset]
        case "REV_TID":
            first = next((low for low, high in _ranges(item, _RANGE) if low <= number <= high), 1)
            return [2 * first - offset - number]
    return []


def _display(subject: Subject, state: Attributes) -> tuple[str, float]:
    """How a frame is viewed, and how much of the mask stays visible, 0 to 1 (PS3.3 C.8.19.7)."""
    for images in state.items(_PLAYED):
        if concerns(images, subject):
            for item in images.items(_DISPLAYED):
                if item.whole(_FROM, 1) <= subject.number + 1 <= item.whole(_TO, 0):
                    return item.text(_MODE), min(max(item.number(_VISIBILITY) or 0.0, 0.0), 100.0) / 100
    return state.text(_MODE), 0.0


def _is_for(item: Attributes, frames: str, subject: Subject) -> bool:
    """By the images that it names, and by the ranges of frames in the attribute ``frames``."""
    ranges = _ranges(item, frames)
    return concerns(item, subject) and (not ranges or any(low <= subject.number + 1 <= high for low, high in ranges))


def _ranges(item: Attributes, frames: str) -> list[tuple[int, int]]:
    ends = [int(end) for end in item.numbers(frames)]
    return list(zip(ends[::2], ends[1::2], strict=False))


def _mean(frames: Sequence[Reals]) -> Reals:
    total = frames[0].copy()
    for frame in frames[1:]:
        total += frame
    return total / len(frames)


def _aligned(mask: Reals, item: Attributes, subject: Subject) -> Reals:
    """The mask shifted as a whole, or region by region where the item has any for this frame.

    Where regions overlap, the last one counts (C.11.19.1.2).
    """
    shifts = next((each for each in item.items(_SHIFTS) if _is_for(each, _SHIFT_RANGE, subject)), None)
    if shifts is None:
        return _shifted(mask, item.numbers(_SHIFT))
    found, shape = mask.copy(), (mask.shape[0], mask.shape[1])
    for region in shifts.items(_REGIONS)[:_MOST_REGIONS]:
        corners, moved = region.numbers(_CORNERS), _shifted(mask, region.numbers(_SHIFT))
        if len(corners) < 4:
            found = moved
            continue
        inside = rectangle(corners, shape) if len(corners) < 6 else polygon(corners, shape)
        found[inside] = moved[inside]
    return found


def _shifted(mask: Reals, shift: Sequence[float]) -> Reals:
    """Moved down and right by parts of a pixel, between neighbours in proportion; edges go on as they are."""
    for axis, distance in enumerate(shift[:2]):
        size = mask.shape[axis]
        back = float(np.clip(-distance, -size, size))
        whole = int(np.floor(back))
        part = back - whole
        near = np.clip(np.arange(size) + whole, 0, size - 1)
        far = np.clip(np.arange(size) + whole + 1, 0, size - 1)
        mask = np.take(mask, near, axis) * (1 - part) + np.take(mask, far, axis) * part
    return mask
