"""Values to brightness: window, VOI LUT, or the range of the frame (PS3.4 N.2.1.3, R-04, R-08)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.rendering.groups import of_frame
from dicomweb_server.dicom.rendering.lut import Lut, lut_of
from dicomweb_server.dicom.rendering.request import Window, WindowFunction

_FRAME_VOI = "00289132"
_VOI_LUT = "00283010"


class Voi(Protocol):
    def __call__(self, values: Reals) -> Reals:
        """Brightness, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Windowed:
    window: Window

    def __call__(self, values: Reals) -> Reals:
        center, width = self.window.center, self.window.width
        match self.window.function:
            case WindowFunction.LINEAR if width > 1:
                bright = (values - (center - 0.5)) / (width - 1) + 0.5
            case WindowFunction.LINEAR:
                bright = np.where(values > center - 0.5, 1.0, 0.0)
            case WindowFunction.LINEAR_EXACT:
                bright = (values - center) / width + 0.5
            case WindowFunction.SIGMOID:
                bright = 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -80, 80)))
        bounded: Reals = np.clip(bright, 0.0, 1.0)
        return bounded


@dataclass(frozen=True, slots=True)
class LookedUp:
    lut: Lut

    def __call__(self, values: Reals) -> Reals:
        return self.lut(values) / self.lut.top


@dataclass(frozen=True, slots=True)
class Ranged:
    """From ``low`` to ``high``, evenly."""

    low: float
    high: float

    def __call__(self, values: Reals) -> Reals:
        bounded: Reals = np.clip((values - self.low) / ((self.high - self.low) or 1.0), 0.0, 1.0)
        return bounded


def voi_of(attributes: Attributes, frame: int, *, signed: bool = False) -> Voi | None:
    """The first VOI LUT or window of a frame; None where it has none that is usable.

    ``signed``: the values of its modality stage may be below 0.
    """
    place = of_frame(attributes, frame, _FRAME_VOI) or attributes
    if place.values(_VOI_LUT):
        lut = lut_of(place.item(_VOI_LUT), signed=signed)
        if lut is not None:
            return LookedUp(lut)
    center, width = place.number("00281050"), place.number("00281051")
    if center is None or width is None:
        return None
    function = _function(place.text("00281056"))
    usable = width >= 1 if function is WindowFunction.LINEAR else width > 0
    return Windowed(Window(center, width, function)) if usable else None


def _function(text: str) -> WindowFunction:
    try:
        return WindowFunction(text.upper())
    except ValueError:
        return WindowFunction.LINEAR
