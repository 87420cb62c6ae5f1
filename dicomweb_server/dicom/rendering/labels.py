"""Label maps: each cell is the number of a segment (PS3.3 A.51, C.8.20; R-17)."""

from __future__ import annotations

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Cells, Grey
from dicomweb_server.dicom.rendering.styles import srgb

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
_SEGMENTS, _NUMBER, _COLOUR = "00620002", "00620004", "0062000D"
_MOST = 65535


def is_label_map(attributes: Attributes) -> bool:
    return attributes.text("00080016") == _LABEL_MAP


def highest_label(attributes: Attributes) -> int:
    """0 where no segment is described."""
    return max((segment.whole(_NUMBER, 0) for segment in attributes.items(_SEGMENTS)), default=0)


def in_colours(cells: Cells, attributes: Attributes) -> Grey | None:
    """Each label in the colour recommended for its segment, the background black; None unless all have one."""
    segments, highest = attributes.items(_SEGMENTS), highest_label(attributes)
    if not 0 < highest <= _MOST:
        return None
    table = np.zeros((highest + 2, 3), np.uint8)
    for segment in segments:
        colour, number = srgb(segment.numbers(_COLOUR)), segment.whole(_NUMBER, 0)
        if colour is None:
            return None
        if number > 0:
            table[number] = colour
    # What no segment is described for is black too, in the last place of the table
    return table[np.where(np.greater(cells, highest) | np.less(cells, 0), highest + 1, cells)]
