"""The study that a new server shows first: a head by CT and MR, made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from dicomweb_server.samples.series import Patient, ct, mr

SIZE = 256
_SERIES = {1: ("CT axial", ct, 80), 2: ("MR T2 axial", mr, 40), 3: ("MR T1 axial", mr, 40)}


def head() -> Iterator[Dataset]:
    """Instances of one study, the same at every call."""
    for number, (description, made_by, slices) in _SERIES.items():
        for made in made_by(Patient(0), slices=slices, size=SIZE, series=number):
            made.PatientName, made.PatientID = "Sample^Head", "SAMPLE"
            made.StudyDescription, made.SeriesDescription = "Head phantom, made by script", description
            made.StudyDate = made.SeriesDate = made.ContentDate = "20250115"
            made.AccessionNumber = "SAMPLE"
            yield made


def write_head(folder: Path) -> None:
    """A file for each instance, into an existing folder."""
    for number, made in enumerate(head()):
        made.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)
