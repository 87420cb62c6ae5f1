"""Duties of retrieval that are easily forgotten, one test for each (W-05, W-06, W-12, W-13, W-15, W-20, W-33, W-42)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.sequence import Sequence

from tests import corpus
from tests.web.retrieving import STORED_FRAMES, Door, door, instance_path, parts

CT, RLE = "generated/ts/ct_evle.dcm", "generated/ts/ct_rle.dcm"
YBR, CINE = "generated/ts/rgb_jpeg_ybr422.dcm", "generated/encap/us_jpeg_bot_1frag.dcm"
ELE = "1.2.840.10008.1.2.1"
JSON = "application/dicom+json"
OCTETS = 'multipart/related; type="application/octet-stream"'


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("items"), CT, RLE, YBR, CINE) as opened:
        yield opened


def written(dataset: Dataset) -> bytes:
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def above(path: str) -> list[str]:
    """The instance, its series, its study."""
    return [path, path.rpartition("/instances/")[0], path.partition("/series/")[0]]


@pytest.mark.parametrize("level", [0, 1, 2])
async def test_octets_or_pictures_of_a_resource_are_its_bulk_data(held: Door, level: int) -> None:
    """W-05"""
    for name, accept in ((CT, STORED_FRAMES), (CINE, 'multipart/related; type="image/*"')):
        path = above(held.at(name))[level]
        bare, bulk = await held.get(path, accept), await held.get(path + "/bulkdata", accept)
        assert bare.status_code == 200
        assert bare.content == bulk.content
    cine = pydicom.dcmread(corpus.path(CINE))
    frames = list(generate_frames(cine.PixelData, number_of_frames=int(cine.NumberOfFrames)))
    assert [part.body for part in parts(bare)] == frames


async def test_file_metadata_and_search_agree_after_an_instance_was_replaced(tmp_path: Path) -> None:
    """W-06"""
    dataset = pydicom.dcmread(corpus.path(CT))
    with door(tmp_path, CT) as held:
        dataset.PatientName, dataset.StudyDescription, dataset.InstanceNumber = "New^Name", "Other", 77
        path = instance_path(held.held.take_bytes(written(dataset)))
        (part,) = parts(await held.get(path, 'multipart/related; type="application/dicom"'))
        file = pydicom.dcmread(BytesIO(part.body))
        (metadata,) = (await held.get(path + "/metadata", JSON)).json()
        (study,) = (await held.get(f"/studies?StudyInstanceUID={file.StudyInstanceUID}&PatientName=New*", JSON)).json()
        (instance,) = (await held.get(above(path)[1] + "/instances", JSON)).json()
    assert file.PatientName == metadata["00100010"]["Value"][0]["Alphabetic"] == "New^Name"
    assert study["00100010"]["Value"][0]["Alphabetic"] == "New^Name"
    assert file.InstanceNumber == metadata["00200013"]["Value"][0] == instance["00200013"]["Value"][0] == 77


@pytest.mark.parametrize("name", [CT, RLE, YBR])
async def test_metadata_tells_the_stored_transfer_syntax_first(held: Door, name: str) -> None:
    """W-12"""
    (metadata,) = (await held.get(held.at(name) + "/metadata", JSON)).json()
    stored = pydicom.dcmread(corpus.path(name)).file_meta.TransferSyntaxUID
    assert metadata["00083002"]["Value"][0] == stored


async def test_metadata_describes_what_is_stored_and_not_what_a_client_was_given(held: Door) -> None:
    """W-15: decoded, the file is RGB; the resource is not."""
    (part,) = parts(await held.get(held.at(YBR), f'multipart/related; type="application/dicom"; transfer-syntax={ELE}'))
    (metadata,) = (await held.get(held.at(YBR) + "/metadata", JSON)).json()
    assert pydicom.dcmread(BytesIO(part.body)).PhotometricInterpretation == "RGB"
    assert metadata["00280004"]["Value"] == ["YBR_FULL_422"]
    assert metadata["7FE00010"]["vr"] == "OB"


async def test_parameters_nobody_knows_change_nothing(held: Door) -> None:
    """W-20, W-33"""
    for path, accept in ((held.at(RLE) + "/frames/1", STORED_FRAMES), (held.at(RLE) + "/metadata", JSON)):
        plain = await held.get(path, accept)
        for query in ("fsiz=64000", "retrieveType=default&a=b", "includefield=00100010", "x=%FF"):
            answer = await held.get(f"{path}?{query}", accept)
            assert (answer.status_code, answer.content) == (200, plain.content)


def bulk_uris(data_set: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for tag, element in data_set.items():
        if "BulkDataURI" in element:
            yield tag, element["BulkDataURI"]
        for item in element.get("Value", ()) if element["vr"] == "SQ" else ():
            yield from bulk_uris(item)


@pytest.fixture
def laden() -> bytes:
    """An image with an icon, an overlay, a lookup table and private bytes, all of them large."""
    dataset = pydicom.dcmread(corpus.path(CT))
    icon = Dataset()
    icon.Rows = icon.Columns = 128
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.PixelData = b"I" * (128 * 128)
    dataset.IconImageSequence = Sequence([icon])
    dataset.add_new(0x60003000, "OW", b"O" * 65536)
    lut = Dataset()
    lut.add_new(0x00283002, "US", [32768, 0, 16])
    lut.add_new(0x00283006, "OW", b"L" * 65536)
    dataset.VOILUTSequence = Sequence([lut])
    block = dataset.private_block(0x0099, "MAKER", create=True)
    block.add_new(0x10, "OB", b"P" * 50_000)
    return written(dataset)


async def test_large_values_become_references_and_none_is_dropped(tmp_path: Path, laden: bytes) -> None:
    """W-13, W-40, W-48"""
    with door(tmp_path) as held:
        path = instance_path(held.held.take_bytes(laden))
        (metadata,) = (await held.get(path + "/metadata", JSON)).json()
        found = dict(bulk_uris(metadata))
        assert {"60003000", "00283006", "00991010", "7FE00010"} <= found.keys()
        original = pydicom.dcmread(BytesIO(laden))
        expected = {
            "60003000": original[0x60003000].value,
            "00283006": original.VOILUTSequence[0][0x00283006].value,
            "00991010": original[0x00991010].value,
        }
        for tag, value in expected.items():
            answer = await held.get(found[tag].partition("/dicomweb")[2], "application/octet-stream")
            assert answer.content == value
        icons = metadata["00880200"]["Value"][0]["7FE00010"]
        icon = await held.get(icons["BulkDataURI"].partition("/dicomweb")[2], "application/octet-stream")
        assert icon.content == original.IconImageSequence[0].PixelData


async def test_pixel_data_is_that_of_the_image_and_no_other(tmp_path: Path, laden: bytes) -> None:
    """W-41, W-42: neither icon nor overlay nor private pixels; all of them with the bulk data."""
    with door(tmp_path) as held:
        path = instance_path(held.held.take_bytes(laden))
        (metadata,) = (await held.get(path + "/metadata", JSON)).json()
        references = {uri for _, uri in bulk_uris(metadata)}
        for below in above(path):
            (pixels,) = parts(await held.get(below + "/pixeldata", OCTETS))
            assert pixels.body == pydicom.dcmread(BytesIO(laden)).PixelData
            every = parts(await held.get(below + "/bulkdata", OCTETS))
            assert {part.headers["Content-Location"] for part in every} == references
