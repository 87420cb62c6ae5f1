"""Overlays as a presentation state uses them: drawn over the image, or as its shutter (PS3.3 C.9.2, C.11.7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Grey
from dicomweb_server.dicom.rendering.styles import WHITE, Colour, layers_of

Mask = NDArray[np.bool_]

_GROUPS = range(0x6000, 0x6020, 2)
_SHUTTER_GROUP = "00181623"
_MOST_BITS = 1 << 28


def overlaid(pixels: Grey, image: Attributes, state: Attributes, frame: int) -> Grey:
    """Overlays that the state puts into a layer in the colour of it: its own, or those of the image."""
    drawn, layers = pixels, layers_of(state)
    for group in _GROUPS:
        layer = state.text(f"{group:04X}1001")
        if not layer:
            continue
        own = state.binary(f"{group:04X}3000") is not None
        mask = bitmap(state if own else image, group, frame, (pixels.shape[0], pixels.shape[1]))
        if mask is not None:
            drawn = painted(drawn, mask, layers.get(layer, (0.0, WHITE))[1])
    return drawn


def painted(pixels: Grey, mask: Mask, colour: Colour) -> Grey:
    """The pixels with those of ``mask`` in a colour; RGB where it is none of the greys."""
    grey = len(set(colour)) == 1
    drawn = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 and not grey else pixels.copy()
    drawn[mask] = colour[0] if drawn.ndim == 2 else colour
    return drawn


def shutter(state: Attributes, frame: int, shape: tuple[int, int]) -> Mask | None:
    """True where the bitmap that the state names as its shutter covers the image."""
    return bitmap(state, state.whole(_SHUTTER_GROUP, 0), frame, shape)


def bitmap(attributes: Attributes, group: int, frame: int, shape: tuple[int, int]) -> Mask | None:
    """The bits of an overlay for a frame (0-based), laid on an image of ``shape``; None where there is none.

    Those inside of pixel cells (retired) are none. Without a number of frames it is for every frame.
    """
    data = attributes.binary(f"{group:04X}3000")
    rows, columns = attributes.whole(f"{group:04X}0010", 0), attributes.whole(f"{group:04X}0011", 0)
    size = rows * columns
    count, first = attributes.number(f"{group:04X}0015"), attributes.whole(f"{group:04X}0051", 1)
    place = 0 if count is None else frame - (first - 1)
    if data is None or not 0 < size <= _MOST_BITS or not 0 <= place < (count or 1):
        return None
    start = place * size
    held = np.frombuffer(data, np.uint8)[start // 8 : (start + size + 7) // 8]
    bits = np.unpackbits(held, bitorder="little")[start % 8 :][:size]
    if bits.size < size:
        return None
    origin = attributes.numbers(f"{group:04X}0050")
    top, left = (int(origin[0]) - 1, int(origin[1]) - 1) if len(origin) == 2 else (0, 0)
    return _laid(bits.reshape(rows, columns) > 0, top, left, shape)


def _laid(mask: Mask, top: int, left: int, shape: tuple[int, int]) -> Mask:
    """As far as it lies on the image; the origin may be outside."""
    found = np.zeros(shape, bool)
    rows, columns = mask.shape
    down, up = max(top, 0), min(top + rows, shape[0])
    across, back = max(left, 0), min(left + columns, shape[1])
    if down < up and across < back:
        found[down:up, across:back] = mask[down - top : up - top, across - left : back - left]
    return found
