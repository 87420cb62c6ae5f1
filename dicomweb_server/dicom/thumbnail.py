"""The small picture of an instance: shrink first, window the small image, JPEG (R-20 to R-24).

Windowing after shrinking is an approximation of windowing before, ten times cheaper, and nobody sees the difference
at this size. An image with burned-in text is never drawn: its icon stands for it.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.icons import icon
from dicomweb_server.dicom.pixels.arrays import Cells, Grey
from dicomweb_server.dicom.pixels.colour import as_rgb
from dicomweb_server.dicom.pixels.decode import Frame, checked_stream, decode
from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.pixels.families import Family, family
from dicomweb_server.dicom.rendering.formats import written
from dicomweb_server.dicom.rendering.modality import significant
from dicomweb_server.dicom.rendering.palette import first_coloured, has_palette
from dicomweb_server.dicom.rendering.picture import Subject, grey_stage, picture
from dicomweb_server.model.errors import Undecodable

SIDE = 128
_BURNED_IN = "00280301"


def may_be_drawn(attributes: Attributes) -> bool:
    """False where the pixels are said to carry text that may name the patient (R-21)."""
    return attributes.text(_BURNED_IN).upper() != "YES"


def thumbnail(data: bytes, subject: Subject, *, side: int = SIDE, quality: int = 80) -> bytes:
    """A JPEG at most ``side`` wide and high, never larger than the image. Raises Undecodable."""
    if not may_be_drawn(subject.attributes):
        return icon_of(subject.attributes, side=side)
    small = _small(_decoded(data, subject.facts, side), subject, side)
    return bytes(imagecodecs.jpeg8_encode(small, quality))


def icon_of(attributes: Attributes, *, side: int = SIDE) -> bytes:
    """The icon of an instance that has no picture."""
    return icon(attributes.text("00080060"), width=side, height=side)


def fitted(picture: bytes, width: int, height: int, media_type: str) -> bytes:
    """A finished picture scaled up or down to fit a box, its aspect kept, as a file of ``media_type``."""
    with Image.open(io.BytesIO(picture)) as image:
        return written(ImageOps.contain(image, (width, height), Image.Resampling.BILINEAR), media_type, quality=85)


def _decoded(data: bytes, facts: ImageFacts, side: int) -> Frame:
    if family(facts.transfer_syntax) is Family.JPEG:
        return _draft(data, facts, side) or decode(data, facts)
    return decode(data, facts)


def _draft(data: bytes, facts: ImageFacts, side: int) -> Frame | None:
    """A JPEG frame decoded at an eighth, quarter or half of its size; None for what Pillow might read otherwise."""
    stream = checked_stream(data, facts, Family.JPEG)
    if stream.bits != 8 or stream.lossless or (facts.samples == 3 and stream.colour is None):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            mode = "L" if facts.samples == 1 else "RGB"
            image.draft(mode, (side * 2, side * 2))
            return Frame(np.asarray(image.convert(mode)), "RGB" if facts.samples == 3 else facts.photometric)
    except (OSError, ValueError, SyntaxError) as error:
        raise Undecodable("the JPEG frame cannot be decoded") from error


def _small(frame: Frame, subject: Subject, side: int) -> Grey:
    if frame.photometric == "PALETTE COLOR" and has_palette(subject.attributes):
        return _shrunk_picture(picture(frame, subject), side)
    frame = as_rgb(frame)
    if frame.cells.ndim == 3 or first_coloured(subject.attributes, frame.photometric) is not None:
        return _shrunk_picture(picture(frame, subject), side)
    cells = significant(frame.cells, subject.facts)
    shrunk = block_means(cells, -(-max(cells.shape) // side))
    return grey_stage(cells, subject, frame.photometric, None)(shrunk.astype(np.float64))


def _shrunk_picture(drawn: Grey, side: int) -> Grey:
    image = Image.fromarray(drawn)
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(image)


def block_means(cells: Cells, factor: int) -> Cells:
    """Each block of ``factor`` x ``factor`` cells as its mean; what does not fill a block at the edges is left out."""
    if factor <= 1 or min(cells.shape) < factor:
        return cells
    whole = cells.dtype.kind != "f" and cells.dtype.itemsize <= 2
    rows, columns = (length // factor * factor for length in cells.shape)
    # Strided sums run over whole rows; a reduction over a 4-dimensional view takes four times as long
    sums: Any = cells[0:rows:factor].astype(np.int32 if whole else np.float64)
    for row in range(1, factor):
        sums += cells[row:rows:factor]
    across: Any = sums[:, 0:columns:factor].copy()
    for column in range(1, factor):
        across += sums[:, column:columns:factor]
    means: Cells = across // (factor * factor) if whole else across / (factor * factor)
    return means
