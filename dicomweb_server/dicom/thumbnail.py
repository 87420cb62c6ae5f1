"""The small picture of an instance: shrink first, window the small image, JPEG (R-20 to R-24).

Windowing after shrinking is an approximation of windowing before, ten times cheaper, and nobody sees the difference
at this size. An image with burned-in text or features that can be recognized is never drawn: its icon stands for it.
Ultrasound and secondary captures, where text is usual, are never drawn larger than the small size unless they say that
they have none: nobody can read them, enlarged or not.
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
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.pixels.families import Family, family
from dicomweb_server.dicom.pixels.reduced import reduced_jpeg, reduced_jpeg_2000
from dicomweb_server.dicom.rendering.formats import written
from dicomweb_server.dicom.rendering.modality import significant
from dicomweb_server.dicom.rendering.picture import Subject, are_quantities, grey_stage, picture
from dicomweb_server.dicom.rendering.proportions import proportion
from dicomweb_server.dicom.rendering.voi import voi_of

SIDE = 128
_NEAR = 0.94
"""Of the size that was meant: what comes so near by blocks alone is not resized, which takes half as long again."""
_BURNED_IN, _RECOGNIZABLE = "00280301", "00280302"
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_WITH_TEXT = {_STORAGE + number for number in ("3", "3.1", "6", "6.1", "7", "7.1", "7.2", "7.3", "7.4")}
"""Ultrasound and secondary captures."""


def may_be_drawn(attributes: Attributes) -> bool:
    """False where the pixels are said to carry text or a face that may identify the patient (R-21)."""
    return all(attributes.text(tag).upper() != "YES" for tag in (_BURNED_IN, _RECOGNIZABLE))


def _legible(attributes: Attributes) -> bool:
    """Whether an image is shown so large that text in it can be read."""
    return attributes.text("00080016") not in _WITH_TEXT or attributes.text(_BURNED_IN).upper() == "NO"


def thumbnail(data: bytes, subject: Subject, *, side: int = SIDE, quality: int = 80) -> bytes:
    """A JPEG at most ``side`` wide and high, never larger than the image. Raises Undecodable."""
    if not may_be_drawn(subject.attributes):
        return icon_of(subject.attributes, side=side)
    if not _legible(subject.attributes):
        side = min(side, SIDE)
    small = _small(_decoded(data, subject, side), subject, side)
    return bytes(imagecodecs.jpeg8_encode(small, quality))


def icon_of(attributes: Attributes, *, side: int = SIDE, video: bool = False) -> bytes:
    """The icon of an instance that has no picture."""
    return icon(attributes.text("00080060"), width=side, height=side, video=video)


def fitted(picture: bytes, width: int, height: int, media_type: str) -> bytes:
    """A finished picture scaled up or down to fit a box, its aspect kept, as a file of ``media_type``."""
    with Image.open(io.BytesIO(picture)) as image:
        return written(ImageOps.contain(image, (width, height), Image.Resampling.BILINEAR), media_type, quality=85)


def _decoded(data: bytes, subject: Subject, side: int) -> Frame:
    facts = subject.facts
    match family(facts.transfer_syntax):
        case Family.JPEG:
            return reduced_jpeg(data, facts, side * 2) or decode(data, facts)
        case Family.JPEG_2000 if facts.samples == 3 or _is_windowed(subject):
            return reduced_jpeg_2000(data, facts, side) or decode(data, facts)
    return decode(data, facts)


def _is_windowed(subject: Subject) -> bool:
    """Whether the cells are quantities and their brightness does not depend on the range of what is decoded."""
    facts, attributes = subject.facts, subject.attributes
    if not are_quantities(facts.photometric, facts.samples, attributes):
        return False
    return voi_of(attributes, subject.number, signed=facts.signed) is not None


def _small(frame: Frame, subject: Subject, side: int) -> Grey:
    frame = as_rgb(frame)
    if not are_quantities(frame.photometric, 1 if frame.cells.ndim == 2 else 3, subject.attributes):
        return _resized(picture(frame, subject), *_size(frame.cells, subject, side))
    cells = significant(frame.cells, subject.facts)
    width, height = _size(cells, subject, side)
    stage = grey_stage(cells, subject, frame.photometric, None)
    down, across = -(-cells.shape[0] // height), -(-cells.shape[1] // width)
    if min(cells.shape[0] // down / height, cells.shape[1] // across / width) >= _NEAR:
        return stage(block_means(cells, down, across).astype(np.float64))
    shrunk = block_means(cells, cells.shape[0] // height, cells.shape[1] // width)
    return _resized(stage(shrunk.astype(np.float64)), width, height)


def _size(pixels: Cells, subject: Subject, side: int) -> tuple[int, int]:
    """Width and height within ``side``, in the proportions of the patient; neither larger than the image has it."""
    pixel = proportion(subject.attributes, subject.number)
    width, height = pixels.shape[1] / max(pixel, 1.0), pixels.shape[0] * min(pixel, 1.0)
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(drawn: Grey, width: int, height: int) -> Grey:
    if drawn.shape[:2] == (height, width):
        return drawn
    return np.asarray(Image.fromarray(drawn).resize((width, height), Image.Resampling.BOX, reducing_gap=2.0))


def block_means(cells: Cells, down: int, across: int) -> Cells:
    """Each block of ``down`` x ``across`` cells as its mean; what does not fill a block at the edges is left out."""
    if down * across <= 1:
        return cells
    whole = cells.dtype.kind != "f" and cells.dtype.itemsize <= 2
    rows, columns = cells.shape[0] // down * down, cells.shape[1] // across * across
    # Strided sums run over whole rows; a reduction over a 4-dimensional view takes four times as long
    sums: Any = cells[0:rows:down].astype(np.int32 if whole else np.float64)
    for row in range(1, down):
        sums += cells[row:rows:down]
    blocks: Any = sums[:, 0:columns:across].copy()
    for column in range(1, across):
        blocks += sums[:, column:columns:across]
    means: Cells = blocks // (down * across) if whole else blocks / (down * across)
    return means
