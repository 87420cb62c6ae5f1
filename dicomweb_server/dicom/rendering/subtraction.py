"""Subtraction of mask frames, as angiography is shown (PS3.3 C.7.6.10, C.11.13, C.11.21; R-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.applicable import concerns
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.model.errors import Undecodable

FrameOf = Callable[[int], tuple[bytes, Subject]]
"""A frame of the same image by its number, from 1."""

_MASKS, _OPERATION, _RANGE, _MASK_FRAMES = "00286100", "00286101", "00286102", "00286110"
_AVERAGED, _SHIFT, _OFFSET = "00286112", "00286114", "00286120"
_MODE, _VISIBILITY = "00281090", "00289478"
_PLAYED, _DISPLAYED, _FROM, _TO = "00289505", "00089458", "00082142", "00082143"
_MOST_FRAMES = 64
"""Decoded for one mask; no more are averaged in practice than a heart beat has."""


def subtracted(values: Reals, subject: Subject, state: Attributes, values_of: Callable[[int], Reals]) -> Reals:
    """The values less those of the mask; unchanged where the state has no mask for this frame.

    ``values_of`` gives those of another frame, from 1. Raises Undecodable for a mask of too many frames.
    """
    number, count = subject.number + 1, subject.attributes.whole("00280008", 1)
    mode, visible = _display(subject, state)
    item = next((item for item in state.items(_MASKS) if concerns(item, subject) and _in_range(item, number)), None)
    if item is None or mode == "NAT":
        return values
    averaged = max(1, item.whole(_AVERAGED, 1)) if item.text(_OPERATION) == "AVG_SUB" else 1
    masks = [frame for frame in _mask_frames(item, number) if 1 <= frame <= count]
    if not masks or number + averaged - 1 > count:
        return values
    if len(masks) + averaged > _MOST_FRAMES:
        raise Undecodable(f"a subtraction of more than {_MOST_FRAMES} frames")
    contrast = _mean([values, *(values_of(number + step) for step in range(1, averaged))])
    mask = _shifted(_mean([values_of(frame) for frame in masks]), item.numbers(_SHIFT))
    if mask.shape != contrast.shape:
        return values
    return contrast - mask * (1.0 - visible)


def _mask_frames(item: Attributes, number: int) -> Sequence[int]:
    offset = item.whole(_OFFSET, 1)
    match item.text(_OPERATION):
        case "AVG_SUB":
            return [int(frame) for frame in item.numbers(_MASK_FRAMES)]
        case "TID":
            return [number - offset]
        case "REV_TID":
            first = next((low for low, high in _ranges(item) if low <= number <= high), 1)
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


def _in_range(item: Attributes, number: int) -> bool:
    ranges = _ranges(item)
    return not ranges or any(low <= number <= high for low, high in ranges)


def _ranges(item: Attributes) -> list[tuple[int, int]]:
    ends = [int(end) for end in item.numbers(_RANGE)]
    return list(zip(ends[::2], ends[1::2], strict=False))


def _mean(frames: Sequence[Reals]) -> Reals:
    total = frames[0].copy()
    for frame in frames[1:]:
        total += frame
    return total / len(frames)


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
