"""What the tests of this room share: files of the corpus as pydicom reads them, and as this room does."""

from __future__ import annotations

import io
from typing import Any

import pydicom

from dicomweb_server.dicom.jsonmodel import data_set_json
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import Source
from dicomweb_server.model.records import DicomJson


def metadata_of(source: Source) -> DicomJson:
    """The JSON model of any data set, also of one that could not be stored."""
    walked = opened(source).walk()
    return data_set_json(walked.elements, "bulk", little_endian=walked.little_endian)


def read_by_pydicom(data: bytes) -> Any:
    return pydicom.dcmread(io.BytesIO(data), force=True)


def written(data_set: Any, transfer_syntax: str) -> bytes:
    """``data_set`` as pydicom writes it."""
    fresh = pydicom.Dataset()
    fresh.update({element.tag: element for element in data_set})
    fresh.file_meta = pydicom.dataset.FileMetaDataset()
    fresh.file_meta.TransferSyntaxUID = transfer_syntax
    fresh.file_meta.MediaStorageSOPClassUID = fresh.SOPClassUID
    fresh.file_meta.MediaStorageSOPInstanceUID = fresh.SOPInstanceUID
    out = io.BytesIO()
    fresh.save_as(out, enforce_file_format=True)
    return out.getvalue()
