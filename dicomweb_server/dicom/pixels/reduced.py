"""A frame decoded at a fraction of its size, which takes a fraction of the time: for small pictures only.

None is returned for whatever Pillow might read otherwise than ``decode``, which is then the way.
"""

from __future__ import annotations

import io
from typing import cast

import numpy as np
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.decode import Frame, checked_stream
from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.pixels.families import Family

_START, _END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def reduced_jpeg(data: bytes, facts: ImageFacts, side: int) -> Frame | None:
    """At an eighth, quarter or half, not smaller than ``side``. Raises Undecodable."""
    stream = checked_stream(data, facts, Family.JPEG)
    if stream.bits != 8 or stream.lossless or (facts.samples == 3 and stream.colour is None):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            mode = "L" if facts.samples == 1 else "RGB"
            image.draft(mode, (side, side))
            return Frame(np.asarray(image.convert(mode)), "RGB" if facts.samples == 3 else facts.photometric)
    except _ERRORS:
        return None


def reduced_jpeg_2000(data: bytes, facts: ImageFacts, side: int) -> Frame | None:
    """Its lower resolutions: a half, quarter, eighth, … of which the longer side is at least ``side``.

    Raises Undecodable.
    """
    stream = checked_stream(data, facts, Family.JPEG_2000)
    steps = (max(facts.rows, facts.columns) // side).bit_length() - 1
    bits = stream.bits or 0
    grey = facts.samples == 1 and bits <= min(facts.bits_allocated, 16) and stream.signed == facts.signed
    colour = facts.samples == 3 and bits == 8 and stream.colour == "RGB" and not stream.signed
    whole = data.startswith(_START) and data.rstrip(b"\0").endswith(_END)
    if steps < 1 or not whole or not (grey or colour):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG2000",)) as image:
            cast(Jpeg2KImageFile, image).reduce = steps
            cells = np.asarray(image)
    except _ERRORS:
        return None
    return Frame(_as_coded(cells, bits, facts) if grey else cells, facts.photometric if grey else "RGB")


def _as_coded(cells: Cells, bits: int, facts: ImageFacts) -> Cells:
    """Pillow fills the cell from its highest bit down, and lifts signed values above 0."""
    values = np.right_shift(cells.astype(np.int32), cells.dtype.itemsize * 8 - bits)
    return np.subtract(values, (1 << bits - 1) if facts.signed else 0).astype(facts.cell)
