"""Storing over HTTP: bodies of every form, and the answers to them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pydicom
import pytest

from dicomweb_server.model.records import Fate
from dicomweb_server.web.app import WebOptions
from dicomweb_server.web.upload import UploadLimits
from tests import corpus
from tests.web import making
from tests.web.making import ReadingReceive

STUDIES = "/dicomweb/studies"
MULTIPART = 'multipart/related; type="application/dicom"; boundary="B0-9"'
CT, SR = "generated/charset/ascii.dcm", "generated/mod/sr_comprehensive.dcm"


@pytest.fixture
def receive(tmp_path: Path) -> ReadingReceive:
    return ReadingReceive(tmp_path)


@pytest.fixture
async def client(receive: ReadingReceive) -> AsyncIterator[httpx.AsyncClient]:
    async with making.client(receive=receive) as client:
        yield client


def body(*parts: bytes, lead: bytes = b"\r\n", end: bytes = b"--B0-9--") -> bytes:
    whole = b"".join(b"--B0-9\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts)
    return lead + whole + end


async def post(client: httpx.AsyncClient, content: bytes, kind: str = MULTIPART, **headers: str) -> httpx.Response:
    return await client.post(STUDIES, content=content, headers={"content-type": kind, **headers})


async def test_what_a_viewer_sends_is_stored_as_it_came(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    answer = await post(client, body(corpus.file(CT)))
    sent = pydicom.dcmread(corpus.path(CT))
    study = f"http://testserver/dicomweb/studies/{sent.StudyInstanceUID}"
    url = f"{study}/series/{sent.SeriesInstanceUID}/instances/{sent.SOPInstanceUID}"
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.headers["location"] == study
    assert answer.json() == {
        "00081190": {"vr": "UR", "Value": [study]},
        "00081199": {
            "vr": "SQ",
            "Value": [
                {
                    "00081150": {"vr": "UI", "Value": [sent.SOPClassUID]},
                    "00081155": {"vr": "UI", "Value": [sent.SOPInstanceUID]},
                    "00081190": {"vr": "UR", "Value": [url]},
                }
            ],
        },
    }
    assert receive.stored == {sent.SOPInstanceUID: corpus.file(CT)}


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/related; type=application/dicom; boundary=B0-9",
        'Multipart/Related;boundary="B0-9";TYPE="application/dicom"',
        'multipart/related; boundary="B0-9"',
        'multipart/related; type="application/dicom; transfer-syntax=*"; boundary=B0-9; start="<a>"',
    ],
)
async def test_every_spelling_of_the_content_type_is_read(client: httpx.AsyncClient, kind: str) -> None:
    assert (await post(client, body(corpus.file(CT)), kind)).status_code == 200


async def test_a_file_may_come_alone(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    assert (await post(client, corpus.file(CT), "application/dicom")).status_code == 200
    assert list(receive.stored.values()) == [corpus.file(CT)]


async def test_a_body_of_unknown_length_in_small_pieces(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    whole = body(corpus.file(CT), corpus.file(SR))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 997):
            yield whole[start : start + 997]

    answer = await client.post(STUDIES, content=pieces(), headers={"content-type": MULTIPART})
    assert answer.status_code == 200
    assert sorted(receive.stored.values()) == sorted([corpus.file(CT), corpus.file(SR)])


async def test_a_part_larger_than_what_is_gathered(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    file = corpus.file(CT) + b"\xfc\xff\xfc\xffOB\x00\x00" + (3 << 20).to_bytes(4, "little") + b"\r\n--" * (3 << 18)
    assert (await post(client, body(file))).status_code == 200
    assert list(receive.stored.values()) == [file]


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_unpacked(
    client: httpx.AsyncClient, receive: ReadingReceive, coding: str, encode: object
) -> None:
    assert callable(encode)
    answer = await post(client, encode(body(corpus.file(CT))), **{"content-encoding": coding})
    assert answer.status_code == 200
    assert list(receive.stored.values()) == [corpus.file(CT)]


async def test_gzip_of_several_members(client: httpx.AsyncClient) -> None:
    whole = body(corpus.file(CT))
    packed = gzip.compress(whole[:500]) + gzip.compress(whole[500:])
    assert (await post(client, packed, **{"content-encoding": "gzip"})).status_code == 200


async def test_one_bad_part_does_not_fail_the_others(client: httpx.AsyncClient) -> None:
    answer = await post(client, body(corpus.file(CT), b"junk"))
    assert answer.status_code == 202
    assert answer.json()["0008119A"] == {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xC000]}}]}
    assert len(answer.json()["00081199"]["Value"]) == 1


async def test_instances_of_another_study_fail_by_name(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    sent = pydicom.dcmread(corpus.path(CT))
    answer = await client.post(f"{STUDIES}/9.9", content=body(corpus.file(CT)), headers={"content-type": MULTIPART})
    assert answer.status_code == 409
    assert answer.json()["00081198"]["Value"] == [
        {
            "00081150": {"vr": "UI", "Value": [sent.SOPClassUID]},
            "00081155": {"vr": "UI", "Value": [sent.SOPInstanceUID]},
            "00081197": {"vr": "US", "Value": [43264]},
        }
    ]
    assert "location" not in answer.headers
    assert receive.stored == {}


async def test_two_studies_have_no_common_location(client: httpx.AsyncClient) -> None:
    answer = await post(client, body(corpus.file(CT), corpus.file(SR)))
    assert answer.status_code == 200
    assert answer.json()["00081190"] == {"vr": "UR"}
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("fate", "status"),
    [(Fate.SAME, 200), (Fate.REPLACED, 200), (Fate.KEPT_FIRST, 409), (Fate.REFUSED, 409)],
)
async def test_what_is_here_already(
    client: httpx.AsyncClient, receive: ReadingReceive, fate: Fate, status: int
) -> None:
    receive.fates[pydicom.dcmread(corpus.path(CT)).SOPInstanceUID] = fate
    answer = await post(client, body(corpus.file(CT)))
    assert answer.status_code == status
    assert ("location" in answer.headers) == (fate is Fate.REPLACED)
    reasons = [item["00081197"]["Value"] for item in answer.json().get("00081198", {}).get("Value", [])]
    assert reasons == ([[0x0111]] if status == 409 else [])


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"hello", "text/plain", 415),
        (b"hello", "", 415),
        (b"[]", 'multipart/related; type="application/pdf"; boundary=B', 415),
        (b"hello", MULTIPART, 400),
        (b"", MULTIPART, 400),
        (b"--B0-9--", MULTIPART, 400),
        (b"x" * 100_000, MULTIPART, 400),
        (b"hello", 'multipart/related; type="application/dicom"', 400),
        (body(b"junk"), MULTIPART, 400),
        (b"junk", "application/dicom", 400),
        (b"", "application/dicom", 400),
    ],
)
async def test_what_cannot_be_read_is_refused(
    client: httpx.AsyncClient, receive: ReadingReceive, content: bytes, kind: str, status: int
) -> None:
    assert (await post(client, content, kind)).status_code == status
    assert receive.stored == {}
    assert list(receive.folder.iterdir()) == []


async def test_a_part_of_another_type_is_refused_alone(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    text = b"--B0-9\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    answer = await post(client, body(corpus.file(CT), lead=text))
    assert answer.status_code == 202
    assert len(receive.stored) == 1


async def test_nothing_of_a_part_cut_off_is_kept(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    whole = body(corpus.file(CT), corpus.file(SR))
    answer = await post(client, whole[:-200])
    assert answer.status_code == 400
    assert "1 parts before that were whole" in answer.json()["detail"]
    assert list(receive.stored.values()) == [corpus.file(CT)]
    assert list(receive.folder.iterdir()) == []


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "x"])
async def test_codings_that_are_not_read(client: httpx.AsyncClient, coding: str) -> None:
    answer = await post(client, body(corpus.file(CT)), **{"content-encoding": coding})
    assert answer.status_code == 415
    assert "gzip" in answer.json()["available"]


@pytest.mark.parametrize(
    "packed", [b"no gzip", gzip.compress(body(b"x"), mtime=0)[:-9], gzip.compress(b"", mtime=0)[:-1]]
)
async def test_a_broken_coding_is_a_bad_request(client: httpx.AsyncClient, packed: bytes) -> None:
    assert (await post(client, packed, **{"content-encoding": "gzip"})).status_code == 400


async def test_a_bomb_is_stopped(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    packed = gzip.compress(bytes(200 << 20), compresslevel=1)
    answer = await post(client, packed, "application/dicom", **{"content-encoding": "gzip"})
    assert answer.status_code == 413
    assert list(receive.folder.iterdir()) == []


@pytest.mark.parametrize("limits", [UploadLimits(max_body=999), UploadLimits(max_part=999), UploadLimits(max_parts=1)])
async def test_what_is_too_large_is_refused(receive: ReadingReceive, limits: UploadLimits) -> None:
    async with making.client(receive=receive, options=WebOptions(uploads=limits)) as client:
        answer = await post(client, body(b"a" * 600, b"b" * 1200))
    assert answer.status_code == 413
    assert list(receive.folder.iterdir()) == []


async def test_a_full_disk_says_when_to_come_again(client: httpx.AsyncClient, receive: ReadingReceive) -> None:
    receive.full = True
    answer = await post(client, body(corpus.file(CT)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/dicom+json", 200),
        ("application/json;q=0.5, text/html", 200),
        ("text/html", 406),
        ("application/dicom+json;q=0, text/html", 406),
    ],
)
async def test_the_answer_is_agreed_on_before_anything_is_stored(
    client: httpx.AsyncClient, receive: ReadingReceive, accept: str, status: int
) -> None:
    answer = await post(client, body(corpus.file(CT)), accept=accept)
    assert answer.status_code == status
    assert len(receive.stored) == (status == 200)


async def test_the_answer_may_be_xml(client: httpx.AsyncClient) -> None:
    answer = await post(client, body(corpus.file(CT)), accept="application/dicom+xml")
    assert answer.headers["content-type"] == "application/dicom+xml"
    tree = ElementTree.fromstring(answer.content)
    assert [item.get("keyword") for item in tree] == ["RetrieveURL", "ReferencedSOPSequence"]


async def test_many_parts_are_many_instances(receive: ReadingReceive) -> None:
    async with making.client(receive=receive) as client:
        answer = await post(client, body(*[b"junk"] * 500))
    assert len(answer.json()["0008119A"]["Value"]) == 500
