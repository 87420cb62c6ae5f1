"""Data sets around the pixels, as scanners write them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from dicomweb_server.samples.volume import CT, HIGHEST, LOWEST, T1, T2, colours, height_of, slice_of

SIDE = 240.0
"""Millimetres of the cube that the head lies in."""
HEIGHT = round(SIDE * (HIGHEST - LOWEST) / 2, 3)
"""Millimetres of it that are scanned."""


@dataclass(frozen=True, slots=True)
class Patient:
    number: int = 1

    def uid(self, *names: object) -> str:
        """The same for the same names."""
        return str(generate_uid(entropy_srcs=["phantom", str(self.number), *map(str, names)]))


def ct(patient: Patient, *, slices: int, size: int = 512, visit: int = 1, series: int = 1) -> Iterator[Dataset]:
    """One axial CT series, a slice a file."""
    for number in range(slices):
        made = _general(patient, visit, series, number, "CT", CTImageStorage)
        made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        made.RescaleIntercept, made.RescaleSlope, made.KVP = -1024, 1, 120
        made.WindowCenter, made.WindowWidth = 40, 100
        _place(made, number, slices, size)
        _grey(made, slice_of(number, slices, size, tissues=CT, seed=series))
        yield made


def mr(patient: Patient, *, slices: int, size: int = 256, visit: int = 1, series: int = 1) -> Iterator[Dataset]:
    """One MR series, a slice a file: T1 weighted where ``series`` is odd, else T2."""
    for number in range(slices):
        made = _general(patient, visit, series, number, "MR", MRImageStorage)
        made.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        made.ScanningSequence, made.SequenceVariant, made.ScanOptions = "SE", "NONE", ""
        made.MRAcquisitionType = "2D"
        made.EchoTime, made.RepetitionTime, tissues = (12, 500, T1) if series % 2 else (96, 4000, T2)
        made.WindowCenter, made.WindowWidth = 850, 1700
        _place(made, number, slices, size)
        _grey(made, slice_of(number, slices, size, tissues=tissues, seed=100 + series))
        yield made


def enhanced_ct(patient: Patient, *, frames: int, size: int = 512, visit: int = 1, series: int = 1) -> Dataset:
    """One multi-frame CT with functional groups (PS3.3 A.38)."""
    made = _general(patient, visit, series, 0, "CT", EnhancedCTImageStorage)
    made.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(SliceThickness=round(HEIGHT / frames, 3), PixelSpacing=[SIDE / size] * 2)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelValueTransformationSequence = [_item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")]
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    made.PerFrameFunctionalGroupsSequence = Sequence(
        [_item(PlanePositionSequence=[_item(ImagePositionPatient=_corner(n, frames, size))]) for n in range(frames)]
    )
    _grey(made, np.stack([slice_of(number, frames, size, seed=series) for number in range(frames)]))
    made.NumberOfFrames = frames
    return made


def us(patient: Patient, *, frames: int, size: int = 128, visit: int = 1, series: int = 1) -> Dataset:
    """One colour cine of ultrasound."""
    made = _general(patient, visit, series, 0, "US", UltrasoundMultiFrameImageStorage)
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.FrameTime, made.NumberOfFrames = 40, frames
    made.FrameIncrementPointer = 0x00181063
    made.Rows = made.Columns = size
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = np.stack([colours(number, frames, size) for number in range(frames)]).tobytes()
    return made


def _general(patient: Patient, visit: int, series: int, number: int, modality: str, sop_class: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = patient.uid(visit, series, modality, number)
    made.StudyInstanceUID = patient.uid(visit)
    made.SeriesInstanceUID = patient.uid(visit, series, modality)
    made.FrameOfReferenceUID = patient.uid(visit, "frame of reference")
    made.PatientName, made.PatientID = f"Phantom^Nr{patient.number}", f"PHANTOM-{patient.number}"
    made.PatientBirthDate, made.PatientSex = "19700101", "O"
    made.StudyDate = made.SeriesDate = made.ContentDate = f"2020{visit:02}15"
    made.StudyTime = made.SeriesTime = made.ContentTime = f"10{series:02}00"
    made.AccessionNumber, made.StudyID, made.ReferringPhysicianName = f"A{visit}", str(visit), ""
    made.StudyDescription, made.SeriesDescription = f"Visit {visit}", f"{modality} {series}"
    made.Modality, made.Manufacturer = modality, "phantom"
    made.SeriesNumber, made.InstanceNumber = series, number + 1
    return made


def _place(made: Dataset, number: int, slices: int, size: int) -> None:
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = _corner(number, slices, size)
    made.SliceLocation, made.SliceThickness = made.ImagePositionPatient[2], round(HEIGHT / slices, 3)
    made.PixelSpacing = [SIDE / size] * 2
    made.PositionReferenceIndicator = ""


def _corner(number: int, slices: int, size: int) -> list[float]:
    """Centre of the first cell, the middle of the cube being 0."""
    first = SIDE / size / 2 - SIDE / 2
    return [first, first, round(height_of(number, slices) * SIDE / 2, 3)]


def _grey(made: Dataset, pixels: NDArray[np.uint16]) -> None:
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = pixels.tobytes()


def _item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made
