"""A patient's collection in a folder, and what must come out of it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from dicomweb_server.samples.series import Patient, ct, enhanced_ct, mr, us

MR_SERIES = 3


@dataclass(frozen=True, slots=True)
class Shape:
    slices: int = 300
    size: int = 512
    visits: int = 2
    rle: bool = False


def instances(shape: Shape, patient: Patient | None = None) -> Iterator[Dataset]:
    """A CT of ``slices``, an enhanced CT, some MR and an ultrasound cine at every visit."""
    patient = patient or Patient()
    for visit in range(1, shape.visits + 1):
        yield from ct(patient, slices=shape.slices, size=shape.size, visit=visit)
        yield enhanced_ct(patient, frames=max(1, shape.slices // 10), size=shape.size, visit=visit, series=2)
        for number in range(MR_SERIES):
            few = max(1, shape.slices // 15)
            yield from mr(patient, slices=few, size=shape.size // 2, visit=visit, series=3 + number)
        yield us(patient, frames=max(1, shape.slices // 10), size=shape.size // 4, visit=visit, series=3 + MR_SERIES)


def write_ct(folder: Path, *, slices: int, size: int = 512) -> None:
    """Write one CT series, a slice a file."""
    folder.mkdir(parents=True)
    for number, made in enumerate(ct(Patient(), slices=slices, size=size)):
        made.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def write(folder: Path, shape: Shape) -> int:
    """Write every instance to a file of its own and ``truth.json`` beside them; the number of files.

    The truth has for each file its UIDs and the SHA-256 of each frame: native little endian, samples interleaved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for number, made in enumerate(instances(shape)):
        name = f"{number:05}.dcm"
        truth[name] = {
            "study": made.StudyInstanceUID,
            "series": made.SeriesInstanceUID,
            "instance": made.SOPInstanceUID,
            "frames": frame_digests(made),
        }
        if shape.rle:
            made.compress(RLELossless, generate_instance_uid=False)
        made.save_as(folder / name, enforce_file_format=True)
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    return len(truth)


def frame_digests(made: Dataset) -> list[str]:
    """Of an uncompressed instance, frame by frame."""
    frames = int(made.get("NumberOfFrames", 1))
    length = made.Rows * made.Columns * made.SamplesPerPixel * made.BitsAllocated // 8
    return [hashlib.sha256(made.PixelData[at * length : (at + 1) * length]).hexdigest() for at in range(frames)]
