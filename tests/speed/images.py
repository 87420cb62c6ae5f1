"""Images to be loaded: the phantoms of ``dicomweb_server.samples``, as scanners store them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.drawing import transcode_file
from dicomweb_server.samples.series import Patient, ct, us

CT, ULTRASOUND, JPEG_2000, RLE = "CT", "ultrasound", "JPEG 2000", "RLE"
_COMPRESSED = {JPEG_2000: syntaxes.JPEG_2000_LOSSLESS, RLE: syntaxes.RLE}
_SERIES = {CT: 1, ULTRASOUND: 2, JPEG_2000: 3, RLE: 4}
CINE_SIZE = 512


@dataclass(frozen=True, slots=True)
class Loaded:
    """One kind of image: its files, and the path of each of its frames below the root of a DICOMweb server."""

    files: list[Path]
    frames: list[str]


def write(folder: Path, kind: str, count: int, *, patient: int) -> Loaded:
    """``count`` frames: slices of 512 x 512 in 16 bits, each a file, or one cine in colour.

    The UIDs are new for each ``patient``.
    """
    made = list(_written(folder, kind, count, Patient(patient)))
    return Loaded([file for file, _ in made], [path for _, paths in made for path in paths])


def _written(folder: Path, kind: str, count: int, patient: Patient) -> Iterator[tuple[Path, list[str]]]:
    folder.mkdir(parents=True, exist_ok=True)
    series = _SERIES[kind]
    if kind == ULTRASOUND:
        images: Iterator[Dataset] = iter([us(patient, frames=count, size=CINE_SIZE, series=series)])
    else:
        images = ct(patient, slices=count, series=series)
    for number, image in enumerate(images):
        file = folder / f"{series}-{number:05}.dcm"
        image.save_as(file, enforce_file_format=True)
        if kind in _COMPRESSED:
            native = file.rename(file.with_suffix(".native"))
            transcode_file(str(native), str(file), _COMPRESSED[kind])
            native.unlink()
        yield file, [f"{path_of(image)}/frames/{frame}" for frame in range(1, image.get("NumberOfFrames", 1) + 1)]


def path_of(image: Dataset) -> str:
    study, series, instance = image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
    return f"/studies/{study}/series/{series}/instances/{instance}"
