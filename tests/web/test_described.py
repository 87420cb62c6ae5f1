"""Storing metadata and bulk data in parts of their own."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames

from dicomweb_server.dicom.xmlmodel import to_xml
from tests.web import making
from tests.web.making import ReadingReceive

STUDIES = "/dicomweb/studies"
IMAGE: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.4"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]},
    "00280002": {"vr": "US", "Value": [1]},
    "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
    "00280010": {"vr": "US", "Value": [2]},
    "00280011": {"vr": "US", "Value": [3]},
    "00280100": {"vr": "US", "Value": [8]},
    "00280101": {"vr": "US", "Value": [8]},
    "00280102": {"vr": "US", "Value": [7]},
    "00280103": {"vr": "US", "Value": [0]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"},
}
PIXELS = bytes(range(6))

Part = tuple[dict[str, str], bytes]


@pytest.fixture
def receive(tmp_path: Path) -> ReadingReceive:
    return ReadingReceive(tmp_path)


@pytest.fixture
async def client(receive: ReadingReceive) -> AsyncIterator[httpx.AsyncClient]:
    async with making.client(receive=receive) as client:
        yield client


async def post(
    client: httpx.AsyncClient, *parts: Part, root: str = "application/dicom+json", start: str = ""
) -> httpx.Response:
    pieces = []
    for headers, content in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--B\r\n{lines}\r\n".encode() + content + b"\r\n")
    kind = f'multipart/related; type="{root}"; boundary=B{start}'
    return await client.post(STUDIES, content=b"".join(pieces) + b"--B--", headers={"content-type": kind})


def json(*data_sets: Any) -> Part:
    return {"Content-Type": "application/dicom+json"}, orjson.dumps(list(data_sets))


def bulk(kind: str, content: bytes, **headers: str) -> Part:
    return {"Content-Type": kind, **(headers or {"Content-Location": "bulk/1"})}, content


def stored(receive: ReadingReceive) -> pydicom.Dataset:
    (content,) = receive.stored.values()
    return pydicom.dcmread(io.BytesIO(content))


async def test_metadata_in_json_and_pixels_in_a_part(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    answer = await post(client, json(IMAGE), bulk("application/octet-stream", PIXELS))
    assert answer.status_code == 200, answer.text
    made = stored(receive)
    assert (str(made.PatientName), made.PixelData) == ("Müller^Jörg", PIXELS)
    assert list(receive.folder.iterdir()) == []


async def test_metadata_in_xml(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    metadata = {"Content-Type": "application/dicom+xml"}, to_xml(IMAGE)
    answer = await post(client, metadata, bulk("application/octet-stream", PIXELS), root="application/dicom+xml")
    assert answer.status_code == 200, answer.text
    assert stored(receive).PixelData == PIXELS


@pytest.mark.parametrize(
    ("reference", "headers"),
    [
        ("http://testserver/dicomweb/studies/bulk/1", {"Content-Location": "bulk/1"}),
        ("bulk/1", {"Content-Location": "http://testserver/dicomweb/studies/bulk/1"}),
        ("/x", {"Content-Location": "http://testserver/x"}),
        ("cid:a@b", {"Content-ID": "<a@b>"}),
    ],
)
async def test_references_are_compared_as_whole_addresses(
    client: httpx.AsyncClient, receive: ReadingReceive, reference: str, headers: dict[str, str]
) -> None:
    metadata = json(IMAGE | {"7FE00010": {"vr": "OW", "BulkDataURI": reference}})
    answer = await post(client, metadata, bulk("application/octet-stream", PIXELS, **headers))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("places", [("bulk/1", "bulk/1"), ("bulk/1/frames/1", "bulk/1/frames/2")])
async def test_frames_come_as_a_part_each(
    client: httpx.AsyncClient, receive: ReadingReceive, places: tuple[str, str]
) -> None:
    frames = [
        bulk("image/jls", content, **{"Content-Location": place})
        for place, content in zip(places, (b"one!", b"two!"), strict=True)
    ]
    metadata = json(IMAGE | {"00280008": {"vr": "IS", "Value": [2]}})
    assert (await post(client, metadata, *frames)).status_code == 200
    made = stored(receive)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    assert list(generate_frames(made.PixelData, number_of_frames=2)) == [b"one!", b"two!"]


async def test_a_picture_describes_itself(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(out, "PNG")
    bare = {tag: element for tag, element in IMAGE.items() if not tag.startswith("0028")}
    assert (await post(client, json(bare), bulk("image/png", out.getvalue()))).status_code == 200
    assert (stored(receive).Rows, stored(receive).Columns) == (4, 5)


async def test_one_bad_data_set_does_not_fail_the_others(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    lost = IMAGE | {"00080018": {"vr": "UI", "Value": ["9.9"]}, "7FE00010": {"vr": "OW", "BulkDataURI": "nowhere"}}
    answer = await post(client, json(IMAGE, lost, 5), bulk("application/octet-stream", PIXELS))
    assert answer.status_code == 202
    (failed,) = answer.json()["00081198"]["Value"]
    assert (failed["00081155"]["Value"], failed["00081197"]["Value"]) == (["9.9"], [0xC000])
    assert len(answer.json()["0008119A"]["Value"]) == 1
    assert list(receive.stored) == ["1.2.3.4"]
    assert list(receive.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([({"Content-Type": "application/dicom+json"}, b"{not json")], 400),
        ([({"Content-Type": "application/dicom+json"}, b"[" * 100_000)], 400),
        ([({"Content-Type": "application/dicom+json"}, b"[]")], 400),
        ([({"Content-Type": "application/dicom+json"}, b'"x"')], 400),
        ([({"Content-Type": "application/dicom+json"}, b'[{"00080016": 5}]')], 400),
        ([json({})], 400),
        ([json({"00080018": {"vr": "UI", "Value": ["../../x"]}, "00080016": {"vr": "UI", "Value": ["1"]}})], 400),
        ([bulk("application/octet-stream", PIXELS)], 400),
    ],
)
async def test_metadata_that_is_none_is_refused(
    client: httpx.AsyncClient, receive: ReadingReceive, parts: list[Part], status: int
) -> None:
    assert (await post(client, *parts)).status_code == status
    assert receive.stored == {}
    assert list(receive.folder.iterdir()) == []


@pytest.mark.parametrize(
    "document",
    [b"<a", b'<!DOCTYPE x [<!ENTITY e "x">]><NativeDicomModel>&e;</NativeDicomModel>', b"<other/>"],
)
async def test_xml_that_is_none_is_refused(client: httpx.AsyncClient, document: bytes) -> None:
    answer = await post(client, ({"Content-Type": "application/dicom+xml"}, document), root="application/dicom+xml")
    assert answer.status_code == 400


async def test_the_root_part_may_stand_anywhere_and_be_named_by_start(
    client: httpx.AsyncClient, receive: ReadingReceive
) -> None:
    """P-08"""
    kind, metadata = json(IMAGE)
    root = {**kind, "Content-ID": "<root>"}
    pixels = bulk("application/octet-stream", PIXELS)
    answer = await post(client, pixels, (root, metadata), start='; start="<root>"')
    assert answer.status_code == 200
    assert stored(receive).PixelData == PIXELS
