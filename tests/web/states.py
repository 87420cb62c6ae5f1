"""Presentation states made from one of the corpus, and what the server shows of them."""

from __future__ import annotations

import io
from copy import deepcopy
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset

from tests import corpus
from tests.web.retrieving import Door, instance_path

GREY = "generated/mod/pr_gsps.dcm"


def state(held: Door, number: int, **changed: Any) -> str:
    """Path of a presentation state, as ``made`` makes it, that the door has taken."""
    buffer = io.BytesIO()
    made(held, number, **changed).save_as(buffer)
    return instance_path(held.held.take_bytes(buffer.getvalue()))


def made(
    held: Door,
    number: int,
    *,
    of: str = GREY,
    without_graphics: bool = True,
    more: Dataset | None = None,
    of_class: str = "",
    **changed: Any,
) -> Dataset:
    """A presentation state made from one of the corpus, in the study of the image it refers to."""
    dataset = deepcopy(pydicom.dcmread(corpus.path(of)))
    dataset.StudyInstanceUID = next(iter(held.keys.values())).study
    dataset.update(more or {})
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.15{number}"
    if of_class:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = of_class
    if without_graphics:
        del dataset.GraphicAnnotationSequence
    for keyword, value in changed.items():
        setattr(dataset, keyword, value)
    return dataset


def item(**values: Any) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def table(entries: np.ndarray[Any, Any], first: int, bits: int, vr: str = "US") -> Dataset:
    """An item with a lookup table of 16-bit entries."""
    found = Dataset()
    found.add_new("LUTDescriptor", vr, [len(entries), first, bits])
    found.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return found


def overlay(rows: int, columns: int, bits: np.ndarray[Any, Any], *, at: list[int], layer: str = "") -> Dataset:
    """Attributes of group 6000, by pydicom."""
    found = Dataset()
    found.add_new(0x60000010, "US", rows)
    found.add_new(0x60000011, "US", columns)
    found.add_new(0x60000040, "CS", "G")
    found.add_new(0x60000050, "SS", at)
    found.add_new(0x60000100, "US", 1)
    found.add_new(0x60000102, "US", 0)
    if layer:
        found.add_new(0x60001001, "CS", layer)
    found.add_new(0x60003000, "OW", np.packbits(bits.ravel(), bitorder="little").tobytes())
    return found


async def shown(held: Door, path: str, query: str = "") -> np.ndarray[Any, Any]:
    answer = await held.get(f"{path}/rendered{query}", "image/png")
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)), int)


def referring(image: Dataset, *frames: int) -> list[Dataset]:
    """A Referenced Series Sequence for one image."""
    named, series = Dataset(), Dataset()
    named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    if frames:
        named.ReferencedFrameNumber = list(frames)
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [named]
    return [series]
