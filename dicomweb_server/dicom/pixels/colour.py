"""YCbCr to RGB for pixels that are stored as YBR without a codec to turn them (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

import numpy as np

from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.decode import Frame

_WHOLE_RANGE = (0.0, 1.0, 1.0)
_PARTIAL_RANGE = (16.0, 255 / 219, 255 / 224)
"""Black, and what luminance and chroma are to be stretched by."""
_YBR = {"YBR_FULL": _WHOLE_RANGE, "YBR_PARTIAL_422": _PARTIAL_RANGE}


def as_rgb(frame: Frame) -> Frame:
    """The frame in RGB where it is 8-bit YBR; any other as it is."""
    if frame.photometric not in _YBR or frame.cells.ndim != 3 or frame.cells.dtype.itemsize != 1:
        return frame
    return Frame(_rgb_of_ybr(frame.cells, *_YBR[frame.photometric]), "RGB")


def _rgb_of_ybr(cells: Cells, black: float, luminance: float, chroma: float) -> Cells:
    """ITU-R BT.601, as the standard defines YBR_FULL, and YBR_PARTIAL_422 with its smaller range."""
    y, cb, cr = (cells[..., n].astype(np.float32) for n in range(3))
    y = (y - black) * luminance
    cb = (cb - 128) * chroma
    cr = (cr - 128) * chroma
    rgb = np.stack((y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb), axis=-1)
    cut: Cells = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return cut
