"""Bulk data over HTTP (W-40 to W-48, T-05)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from tests import corpus
from tests.web.retrieving import BASE, Door, door, instance_path, parts

CT, PDF, ECG = "generated/ts/ct_evle.dcm", "generated/mod/encapsulated_pdf.dcm", "generated/mod/ecg_12lead_2groups.dcm"
CDA = "generated/mod/encapsulated_cda.dcm"
CINE, VIDEO = "generated/mod/xa_cine_12frames_jpegll.dcm", "generated/mod/video_mpeg4_avc.dcm"
US = "generated/encap/us_native_rgb.dcm"
OCTETS = "application/octet-stream"
MULTI = f'multipart/related; type="{OCTETS}"'
ANY = 'multipart/related; type="*/*"'
STORED = MULTI + "; transfer-syntax=*"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("bulk"), CT, PDF, CDA, ECG, CINE, VIDEO, US) as opened:
        yield opened


def document(name: str) -> bytes:
    dataset = pydicom.dcmread(corpus.path(name))
    data: bytes = dataset.EncapsulatedDocument
    return data[: dataset.get("EncapsulatedDocumentLength", len(data))]


def references(metadata: dict[str, Any]) -> Iterator[str]:
    for element in metadata.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"].removeprefix(BASE)
        if element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from references(item)


@pytest.mark.parametrize("accept", ["*/*", OCTETS, "application/pdf", None])
async def test_a_document_comes_bare_to_who_names_no_multipart(held: Door, accept: str | None) -> None:
    answer = await held.get(held.at(PDF) + "/bulkdata/00420011", accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ("application/pdf" if accept == "application/pdf" else OCTETS)
    assert answer.content == document(PDF)


async def test_ohif_gets_the_document_as_what_it_is(held: Door) -> None:
    accept = f'multipart/related; type="application/pdf", {MULTI}'
    (part,) = parts(await held.get(held.at(PDF) + "/bulkdata/00420011", accept))
    assert part.headers["Content-Type"] == "application/pdf"
    assert part.headers["Content-Location"] == f"{BASE}{held.at(PDF)}/bulkdata/00420011"
    assert part.body == document(PDF)


async def test_the_accept_parameter_names_the_type(held: Door) -> None:
    answer = await held.get(held.at(PDF) + "/bulkdata/00420011?accept=application/pdf", "text/html,*/*;q=0.8")
    assert answer.headers["content-type"] == "application/pdf"


async def test_the_default_of_the_python_client(held: Door) -> None:
    (part,) = parts(await held.get(held.at(PDF) + "/bulkdata/00420011", ANY))
    assert part.body == document(PDF)


async def test_a_document_in_ranges(held: Door) -> None:
    answer = await held.get(held.at(PDF) + "/bulkdata/00420011", "*/*", range="bytes=3-9")
    assert (answer.status_code, answer.content) == (206, document(PDF)[3:10])


async def test_a_file_cannot_have_a_page_served_as_ours(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(corpus.path(PDF))
    dataset.MIMETypeOfEncapsulatedDocument = "text/html"
    out = BytesIO()
    dataset.save_as(out)
    with door(tmp_path) as held:
        path = instance_path(held.held.take_bytes(out.getvalue())) + "/bulkdata/00420011"
        assert (await held.get(path, "text/html")).status_code == 406
        assert (await held.get(path, "text/html,*/*;q=0.8")).headers["content-type"] == OCTETS


async def test_an_xml_document_may_not_run_anything(held: Door) -> None:
    answer = await held.get(held.at(CDA) + "/bulkdata/00420011", "text/xml")
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.content == document(CDA)


async def test_values_within_sequences(tmp_path: Path) -> None:
    """Waveform data as OHIF wants it: bare, little endian."""
    dataset = pydicom.dcmread(corpus.path(ECG))
    for group in dataset.WaveformSequence:
        group.WaveformData = group.WaveformData * 40
        group.NumberOfWaveformSamples *= 40
    out = BytesIO()
    dataset.save_as(out)
    with door(tmp_path) as held:
        path = instance_path(held.held.take_bytes(out.getvalue()))
        for number, group in enumerate(dataset.WaveformSequence, 1):
            answer = await held.get(f"{path}/bulkdata/54000100/{number}/54001010", OCTETS)
            assert (answer.status_code, answer.headers["content-type"]) == (200, OCTETS)
            assert answer.content == group.WaveformData


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("00420011/1", 404),
        ("00090010", 404),
        ("54000100/1/54001010", 404),
        ("nonsense", 400),
        ("00420011/x", 400),
        ("0042001", 400),
    ],
)
async def test_what_is_no_value_is_not_found(held: Door, path: str, status: int) -> None:
    assert (await held.get(held.at(PDF) + "/bulkdata/" + path, "*/*")).status_code == status


@pytest.mark.parametrize("name", [CT, PDF, CDA, ECG, CINE, VIDEO, US])
async def test_every_reference_in_metadata_leads_somewhere(held: Door, name: str) -> None:
    (metadata,) = (await held.get(held.at(name) + "/metadata", "application/dicom+json")).json()
    for reference in references(metadata):
        answer = await held.get(reference, STORED)
        assert answer.status_code == 200
        assert parts(answer)[0].headers["Content-Location"] == BASE + reference


async def test_native_pixels_are_one_value_and_compressed_ones_a_part_for_each_frame(held: Door) -> None:
    native = await held.get(held.at(US) + "/bulkdata/7FE00010", STORED)
    assert [part.body for part in parts(native)] == [pydicom.dcmread(corpus.path(US)).PixelData]
    cine = pydicom.dcmread(corpus.path(CINE))
    compressed = await held.get(held.at(CINE) + "/bulkdata/7FE00010", STORED)
    frames = list(generate_frames(cine.PixelData, number_of_frames=int(cine.NumberOfFrames)))
    assert [part.body for part in parts(compressed)] == frames
    single = await held.get(held.at(CINE) + "/bulkdata/7FE00010", OCTETS + "; transfer-syntax=*")
    assert single.status_code == 406


@pytest.mark.parametrize("accept", ["video/mp4", "video/*", OCTETS + "; transfer-syntax=*"])
async def test_a_video_is_one_stream(held: Door, accept: str) -> None:
    path = held.at(VIDEO) + "/bulkdata/7FE00010"
    stream = b"".join(generate_frames(pydicom.dcmread(corpus.path(VIDEO)).PixelData, number_of_frames=1))
    answer = await held.get(path, accept)
    assert answer.content == stream
    ranged = await held.get(path, accept, range="bytes=100-199")
    assert (ranged.status_code, ranged.content) == (206, stream[100:200])


@pytest.mark.parametrize("name", ["generated/ts/ct_evbe.dcm", "generated/ts/ct_deflated.dcm"])
async def test_values_leave_little_endian_and_inflated(tmp_path: Path, name: str) -> None:
    with door(tmp_path, name) as held:
        answer = await held.get(held.at(name) + "/bulkdata/7FE00010", OCTETS)
        assert answer.content == pydicom.dcmread(corpus.path(CT)).PixelData
        assert int(answer.headers["content-length"]) == len(answer.content)


async def test_pixel_data_alone(held: Door) -> None:
    (part,) = parts(await held.get(held.at(CT) + "/pixeldata", MULTI))
    assert part.body == pydicom.dcmread(corpus.path(CT)).PixelData
    assert (await held.get(held.at(PDF) + "/pixeldata", MULTI)).status_code == 404


async def test_all_bulk_data_of_a_study_and_a_series(held: Door) -> None:
    study = held.at(CT).partition("/series/")[0]
    series = held.at(CT).rpartition("/instances/")[0]
    for path in (study, series):
        for what in ("bulkdata", "pixeldata"):
            found = parts(await held.get(f"{path}/{what}", STORED))
            assert f"{BASE}{held.at(CT)}/bulkdata/7FE00010" in {part.headers["Content-Location"] for part in found}


async def test_text_leaves_as_utf_8(tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.update(pydicom.dcmread(corpus.path("generated/mod/sr_comprehensive.dcm")))
    dataset.file_meta = pydicom.dcmread(corpus.path("generated/mod/sr_comprehensive.dcm")).file_meta
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.add_new(0x0040A160, "UT", "Größe " * 20_000)
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    with door(tmp_path) as held:
        path = instance_path(held.held.take_bytes(out.getvalue()))
        answer = await held.get(f"{path}/bulkdata/0040A160", OCTETS)
        assert answer.content.decode() == ("Größe " * 20_000).rstrip()


@pytest.mark.parametrize("name", ["bot_huge", "fragment_length_past_end", "fragment_length_undefined"])
@pytest.mark.parametrize("accept", ["*/*", ANY, STORED])
async def test_pixel_data_without_a_sound_frame_has_no_form(tmp_path: Path, name: str, accept: str) -> None:
    """Its metadata refers to it, so it is there: it is not missing but cannot be given (W-45)."""
    with door(tmp_path, f"malformed/{name}.dcm") as held:
        path = held.at(f"malformed/{name}.dcm")
        for what in ("bulkdata/7FE00010", "bulkdata", "pixeldata"):
            answer = await held.get(f"{path}/{what}", accept)
            assert answer.status_code == 406
        assert "no frame" in (await held.get(f"{path}/bulkdata/7FE00010", accept)).text
