"""Negotiation where the resource, not the header, is what differs (C-21, C-38, T-14, T-17)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests import corpus
from tests.web.retrieving import Door, door, parts

CT, J2K, JPIP = (
    "generated/ts/ct_evle.dcm",
    "generated/ts/ct_j2k_lossless_s16.dcm",
    "generated/ts/ct_jpip_referenced.dcm",
)
OCTETS = "application/octet-stream"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("resources"), CT, J2K, JPIP) as opened:
        yield opened


@pytest.mark.parametrize(
    ("below", "named", "kind"),
    [
        ("", "application/dicom", "application/dicom"),
        ("/metadata", "application/json", "application/json"),
        ("/frames/1", OCTETS, OCTETS),
        ("/bulkdata/7FE00010", OCTETS, OCTETS),
        ("/bulkdata", f'multipart/related;type="{OCTETS}"', f'multipart/related; type="{OCTETS}"'),
        ("/pixeldata", f'multipart/related;type="{OCTETS}"', f'multipart/related; type="{OCTETS}"'),
        ("/rendered", "image/png", "image/png"),
        ("/frames/1/rendered", "image/png", "image/png"),
        ("/thumbnail", "image/png", "image/png"),
    ],
)
async def test_every_resource_hears_the_accept_parameter(held: Door, below: str, named: str, kind: str) -> None:
    """C-21, C-22"""
    spelled = named.replace("+", "%2B").replace(";", "%3B").replace('"', "%22").replace("=", "%3D")
    for header in ("text/html,application/xhtml+xml,image/avif", "text/css"):
        answer = await held.get(f"{held.at(CT)}{below}?accept={spelled}", header)
        assert (answer.status_code, answer.headers["content-type"][: len(kind)]) == (200, kind)
    assert (await held.get(f"{held.at(CT)}{below}?accept=*/*", named)).status_code == 400


async def test_searches_hear_the_accept_parameter(held: Door) -> None:
    """C-21"""
    for path in ("/studies", "/series", "/instances"):
        answer = await held.get(f"{path}?accept=application/json", "text/html")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert (await held.get(f"{path}?accept=*/*", "application/json")).status_code == 400


async def test_a_wrong_label_of_a_part_does_not_change_what_it_is(tmp_path: Path) -> None:
    """C-38: the file says how it is encoded."""
    label = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"
    body = b"--B\r\nContent-Type: " + label.encode() + b"\r\n\r\n" + corpus.file(CT) + b"\r\n--B--\r\n"
    with door(tmp_path) as empty:
        async with empty.client() as client:
            kind = {"content-type": 'multipart/related; type="application/dicom"; boundary=B'}
            assert (await client.post("/dicomweb/studies", content=body, headers=kind)).status_code == 200
        dataset = pydicom.dcmread(corpus.path(CT))
        path = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/"
        answer = await empty.get(path + dataset.SOPInstanceUID, "application/dicom; transfer-syntax=*")
    assert answer.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert answer.content == corpus.file(CT)


async def test_a_reference_to_pixels_elsewhere_is_kept_and_has_no_frames(held: Door) -> None:
    """T-14"""
    sent = pydicom.dcmread(corpus.path(JPIP))
    answer = await held.get(held.at(JPIP), "application/dicom; transfer-syntax=*")
    got = pydicom.dcmread(BytesIO(answer.content))
    assert got.PixelDataProviderURL == sent.PixelDataProviderURL
    assert got.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    (metadata,) = (await held.get(f"{held.at(JPIP)}/metadata", "application/dicom+json")).json()
    assert metadata["00287FE0"]["Value"] == [sent.PixelDataProviderURL]
    for below in ("/frames/1", "/rendered", "/pixeldata"):
        assert (await held.get(held.at(JPIP) + below, "*/*")).status_code in (404, 406)


@pytest.mark.parametrize("kind", ["image/jp2", "image/jphc"])
@pytest.mark.parametrize("name", [CT, J2K])
async def test_bulk_pixels_of_jpeg_2000_are_codestreams_without_a_box(held: Door, kind: str, name: str) -> None:
    """T-17: a codestream begins with SOC and SIZ (ISO/IEC 15444-1 A.4)."""
    alone = await held.get(f"{held.at(name)}/frames/1", kind)
    (part,) = parts(await held.get(f"{held.at(name)}/frames/1", f'multipart/related; type="{kind}"'))
    for content in (alone.content, part.body):
        assert content.startswith(b"\xff\x4f\xff\x51")


async def test_lines_of_a_multipart_body_end_with_both_characters(held: Door) -> None:
    """P-01, P-07: what frames the parts has no bare line feed, and nothing stands before or behind."""
    answer = await held.get(f"{held.at(CT)}/frames/1", f'multipart/related; type="{OCTETS}"')
    (part,) = parts(answer)
    framing = answer.content.replace(part.body, b"")
    assert framing.count(b"\n") == framing.count(b"\r\n") == framing.count(b"\r")
    assert framing.startswith(b"--")
    assert framing.endswith(b"--\r\n")
