"""How high a pixel is beside its width (PS3.3 C.7.6.3.1.7, 10.7), so that what is scaled is shown undistorted."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.groups import of_frame

_RATIO, _MEASURES = "00280034", "00289110"
_SPACINGS = ("00280030", "00181164", "00182010")
"""In the patient, at the detector, on the film."""
_MOST, _EQUAL = 10.0, 0.01


def proportion(attributes: Attributes, frame: int) -> float:
    """Of a frame, from 0: 1 where pixels are square or nothing usable is said."""
    measures = of_frame(attributes, frame, _MEASURES) or attributes
    said = (attributes.numbers(_RATIO), *(measures.numbers(tag) for tag in _SPACINGS))
    return next((ratio(pair) for pair in said if len(pair) == 2), 1.0)


def ratio(pair: Sequence[float]) -> float:
    """Vertical by horizontal; 1 for a hardly visible difference, and for what no image has."""
    if len(pair) != 2 or min(pair) <= 0:
        return 1.0
    found = pair[0] / pair[1]
    return found if 1 / _MOST <= found <= _MOST and abs(found - 1) > _EQUAL else 1.0
