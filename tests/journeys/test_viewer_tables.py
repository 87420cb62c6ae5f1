"""The tables of what OHIF asks for as thumbnails, and of what it chokes on: each row against the real server."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from tests.journeys.asking import JSON, header, instance_url, series_url, study_url
from tests.journeys.server import RunningServer

CT, PALETTE = "generated/ts/ct_evle.dcm", "generated/mod/sc_palette_16bit_lut.dcm"
RLE, JLS, J2K = "generated/ts/ct_rle.dcm", "generated/ts/ct_jls_lossless.dcm", "generated/ts/ct_j2k_lossless_s16.dcm"
FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
OCTETS = 'multipart/related; type="application/octet-stream"'
IMG = "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
COORDINATES = {"00200032", "00200037", "00280030"}


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client() as client:
        yield client


@pytest.mark.parametrize(
    ("path", "accept", "size"),
    [
        ("/thumbnail?accept=image%2Fjpeg", OCTETS, None),
        ("/thumbnail?viewport=256%2C256", "image/jpeg", 256),
        ("/rendered?accept=image%2Fjpeg", OCTETS, None),
        ("/rendered?viewport=256%2C256", "image/jpeg", 256),
        ("/thumbnail?accept=image/jpeg", IMG, None),
    ],
    ids=["thumbnail", "thumbnail, fetch", "rendered", "rendered, fetch", "thumbnailDirect"],
)
def test_every_kind_of_thumbnail_is_one_jpeg(client: httpx.Client, path: str, accept: str, size: int | None) -> None:
    answer = client.get(instance_url(CT) + path, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "JPEG"
        assert size is None or max(picture.size) <= size


@pytest.mark.parametrize(
    ("path", "kind"), [("/thumbnail", "image/jxl"), ("/thumbnail?accept=image%2Fjpeg", "image/jpeg")]
)
def test_series_and_study_have_a_thumbnail_too(client: httpx.Client, path: str, kind: str) -> None:
    """Of the type the browser puts first, unless the address names one."""
    for where in (series_url(CT), study_url(CT)):
        assert client.get(where + path, headers={"Accept": IMG}).headers["content-type"] == kind


@pytest.mark.parametrize("name", [CT, RLE, JLS, J2K])
def test_a_frame_is_answered_so_that_nothing_turns_grey(client: httpx.Client, name: str) -> None:
    """200 and not 206; ``Content-Type:`` so spelled, with the transfer syntax; the closing boundary."""
    answer = client.get(instance_url(name) + "/frames/1", headers={"Accept": FRAMES})
    assert answer.status_code == 200
    head, _, rest = answer.content.partition(b"\r\n\r\n")
    delimiter = head.splitlines()[0] or head.splitlines()[1]
    label = re.search(rb"^Content-Type: (.+)$", head, re.MULTILINE)
    assert label is not None, "the case of the letters counts"
    syntax = header(name).file_meta.TransferSyntaxUID
    assert f"transfer-syntax={syntax}".encode() in label[1].replace(b'"', b"")
    assert rest.rstrip(b"\r\n").endswith(delimiter + b"--")
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_single_part_says_its_transfer_syntax(client: httpx.Client) -> None:
    answer = client.get(
        instance_url(JLS) + "/frames/1", headers={"Accept": "application/octet-stream; transfer-syntax=*"}
    )
    assert answer.headers["content-type"].endswith(f"transfer-syntax={header(JLS).file_meta.TransferSyntaxUID}")


def test_metadata_has_what_a_viewer_needs_in_the_types_it_takes(client: httpx.Client) -> None:
    """The study's UID, coordinates as numbers, names as objects, no empty values, palettes to be had."""
    for name in (CT, PALETTE):
        answer = client.get(series_url(name) + "/metadata", headers=JSON)
        assert answer.headers["content-type"] == "application/dicom+json"
        for row in answer.json():
            assert row["0020000D"]["Value"] == [header(name).StudyInstanceUID]
            assert all("Value" not in each or each["Value"] for each in row.values())
            for tag in COORDINATES & row.keys():
                assert all(isinstance(value, int | float) for value in row[tag].get("Value", ()))
            assert all(isinstance(value, int) for value in row["00280010"]["Value"])
            assert all(isinstance(value, dict) for value in row["00100010"].get("Value", ()))
            if row["00280004"]["Value"] == ["PALETTE COLOR"]:
                table = row["00281201"]
                assert "InlineBinary" in table or client.get(table["BulkDataURI"], headers={"Accept": "*/*"}).is_success
