"""How long the frames of a multi-frame image are shown (PS3.3 C.7.6.5), and what a GIF makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb_server.dicom.dataset import Attributes

_DISPLAY_RATE, _CINE_RATE = "00082144", "00180040"
_TIME, _TIMES = "00181063", "00181065"
_DEFAULT = 100.0
_LEAST, _MOST = 2, 0xFFFF
"""Hundredths of a second: browsers slow down what is faster, the file holds no more."""


def milliseconds(attributes: Attributes, frame: int) -> float:
    """Until the next frame: by the rate of display, the times between frames, the one time, or the rate of recording.

    The last frame of all is shown as long as the one before it.
    """
    times = attributes.numbers(_TIMES)
    # The first value of the vector is the time before the first frame
    until_next = times[min(frame + 1, len(times) - 1)] if len(times) > 1 else 0.0
    found = (
        _of_rate(attributes, _DISPLAY_RATE),
        until_next,
        attributes.number(_TIME) or 0.0,
        _of_rate(attributes, _CINE_RATE),
    )
    return next((time for time in found if time > 0), _DEFAULT)


def hundredths(times: Sequence[float]) -> list[int]:
    """Milliseconds in the unit of a GIF, none so far off that the sum of them is.

    Equal frames become one, so that all together must not be longer than one may be.
    """
    longest = max(_LEAST, _MOST // max(1, len(times)))
    found, shown, passed = [], 0, 0.0
    for time in times:
        passed += min(max(time / 10, _LEAST), longest)
        found.append(max(_LEAST, round(passed) - shown))
        shown += found[-1]
    return found


def _of_rate(attributes: Attributes, tag: str) -> float:
    rate = attributes.number(tag) or 0.0
    return 1000 / rate if rate > 0 else 0.0
