"""The head of a file: found, judged, and made anew where needed (T-16)."""

from __future__ import annotations

import io

import pydicom
import pytest

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.normalise import prepare
from dicomweb_server.dicom.part10 import IMPLEMENTATION_CLASS_UID, file_meta, read_head
from dicomweb_server.dicom.source import BytesSource
from tests import corpus


def stored(name: str) -> bytes:
    received = BytesSource(corpus.file(name))
    prepared = prepare(received)
    return prepared.view(received).read(0, 1 << 30)


@pytest.mark.parametrize("shape", ["pe", "tiff", "html"])
def test_only_the_preamble_of_a_sound_file_changes(shape: str) -> None:
    name = f"generated/structure/preamble_{shape}.dcm"
    received = BytesSource(corpus.file(name))
    assert prepare(received).in_place
    assert stored(name) == bytes(128) + received.data[128:]


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("no_meta_implicit", "1.2.840.10008.1.2"),
        ("no_meta_explicit", "1.2.840.10008.1.2.1"),
        ("no_meta_bigendian", "1.2.840.10008.1.2.2"),
        ("preamble_only_no_meta", "1.2.840.10008.1.2.1"),
        ("no_meta_group_length", "1.2.840.10008.1.2.1"),
        ("meta_no_transfer_syntax", "1.2.840.10008.1.2.1"),
        ("meta_says_implicit_body_explicit", "1.2.840.10008.1.2.1"),
        ("meta_says_explicit_body_implicit", "1.2.840.10008.1.2"),
    ],
)
def test_a_missing_or_wrong_head_is_made_anew(name: str, syntax: str) -> None:
    data = stored(f"generated/structure/{name}.dcm")
    read = pydicom.dcmread(io.BytesIO(data))
    assert read.file_meta.TransferSyntaxUID == syntax
    assert read.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    received = corpus.file(f"generated/structure/{name}.dcm")
    assert data.endswith(received[read_head(BytesSource(received)).dataset_start :])
    assert derive(BytesSource(data)).warnings == ()


def test_pydicom_reads_the_group_2_that_is_made() -> None:
    made = file_meta("1.2.3", "1.2.3.4", "1.2.840.10008.1.2", source_aet="A", sending_aet="BCD", receiving_aet="E")
    meta = pydicom.dcmread(io.BytesIO(made)).file_meta
    assert meta.FileMetaInformationGroupLength == len(made) - 144
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == ("1.2.3", "1.2.3.4")
    assert (meta.SourceApplicationEntityTitle, meta.ReceivingApplicationEntityTitle) == ("A", "E")


def test_the_digest_is_of_the_data_set_alone() -> None:
    name = "generated/structure/preamble_pe.dcm"
    assert derive(BytesSource(stored(name))).digest == derive(BytesSource(corpus.file(name))).digest
