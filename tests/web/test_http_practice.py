"""What every answer has in common: methods, caches, ranges, and a client that leaves (H-10 to H-23)."""

from __future__ import annotations

import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dicomweb_server.web.body import Answer, Made
from tests.web.retrieving import STORED_FRAMES, Door, door, parts
from tests.web.serving import connect, serving

CT, PDF, CINE = (
    "generated/ts/ct_evle.dcm",
    "generated/mod/encapsulated_pdf.dcm",
    "generated/mod/xa_cine_12frames_jpegll.dcm",
)
JSON = "application/dicom+json"
FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("practice"), CT, PDF, CINE) as opened:
        yield opened


RESOURCES = {
    "/studies": JSON,
    "/studies/{study}/series": JSON,
    "{series}/instances": JSON,
    "{instance}": FILES,
    "{series}": FILES,
    "/studies/{study}": "application/zip",
    "{instance}/metadata": JSON,
    "{series}/metadata": JSON,
    "{instance}/frames/1": STORED_FRAMES,
    "{instance}/bulkdata": STORED_FRAMES,
    "{instance}/bulkdata/7FE00010": STORED_FRAMES,
    "/studies/{study}/pixeldata": STORED_FRAMES,
    "{instance}/rendered": "image/png",
    "{instance}/frames/1/rendered": "image/jpeg",
    "{series}/thumbnail": "image/png",
    "/capabilities": "application/json",
}
NEGOTIATED = list(RESOURCES.items())


def located(held: Door, template: str) -> str:
    instance = held.at(CT)
    series = instance.rpartition("/instances/")[0]
    return template.format(study=held.keys[CT].study, series=series, instance=instance)


@pytest.mark.parametrize(("template", "accept"), NEGOTIATED)
async def test_every_negotiated_answer_tells_caches_what_it_depends_on(held: Door, template: str, accept: str) -> None:
    """H-11, H-12: never public, never kept without asking for longer than minutes."""
    answer = await held.get(located(held, template), accept, accept_encoding="gzip")
    assert answer.status_code == 200
    vary = {each.strip().lower() for each in answer.headers["vary"].split(",")}
    assert {"accept", "origin"} <= vary
    assert "accept-encoding" in vary or "content-encoding" not in answer.headers
    kept = answer.headers["cache-control"]
    assert "public" not in kept and "immutable" not in kept
    assert "no-cache" in kept or "must-revalidate" in kept


@pytest.mark.parametrize(("template", "accept"), NEGOTIATED)
async def test_head_is_get_without_a_body_everywhere(held: Door, template: str, accept: str) -> None:
    """H-14"""
    path = located(held, template)
    got = await held.get(path, accept, accept_encoding="identity")
    head = await held.get(path, accept, "HEAD", accept_encoding="identity")
    assert (head.status_code, head.content) == (200, b"")
    changing = {"x-request-id", "date"}
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in got.headers.items() if name not in changing
    }
    refused = await held.get(path, accept, "PATCH")
    assert refused.status_code == 405
    assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", "))


@pytest.mark.parametrize(("template", "accept"), [each for each in NEGOTIATED if each[0] != "/capabilities"])
async def test_what_is_known_is_not_sent_again_by_get_or_head(held: Door, template: str, accept: str) -> None:
    """H-10"""
    path = located(held, template)
    etag = (await held.get(path, accept)).headers["etag"]
    assert not etag.startswith("W/")
    for method in ("GET", "HEAD"):
        again = await held.get(path, accept, method, if_none_match=etag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag


@pytest.mark.parametrize("path", ["/studies/1.2.3/metadata", "/studies?limit=x", "/nothing"])
async def test_an_error_is_kept_by_nobody(held: Door, path: str) -> None:
    """H-12"""
    assert (await held.get(path, JSON)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("accept", ["image/png", "image/jpeg"])
async def test_pictures_and_pixels_are_not_compressed_again_and_json_is(held: Door, accept: str) -> None:
    """H-22"""
    picture = await held.get(held.at(CT) + "/rendered", accept, accept_encoding="gzip")
    frame = await held.get(held.at(CINE) + "/frames/1", STORED_FRAMES, accept_encoding="gzip")
    metadata = await held.get(held.at(CT) + "/metadata", JSON, accept_encoding="gzip")
    assert "content-encoding" not in picture.headers and "content-encoding" not in frame.headers
    assert metadata.headers["content-encoding"] == "gzip"


async def test_a_range_of_metadata_is_one_of_the_plain_document(held: Door) -> None:
    """H-22"""
    path = held.at(CT) + "/metadata"
    plain = await held.get(path, JSON, accept_encoding="identity")
    some = await held.get(path, JSON, accept_encoding="gzip", range="bytes=5-94")
    assert some.status_code == 206 and "content-encoding" not in some.headers
    assert some.content == plain.content[5:95]


@pytest.mark.parametrize(
    ("template", "accept"),
    [
        ("{instance}", FILES),
        ("{series}", FILES),
        ("{instance}/frames/1", STORED_FRAMES),
        ("{instance}/bulkdata/7FE00010", STORED_FRAMES),
        ("/studies/{study}/pixeldata", STORED_FRAMES),
    ],
)
async def test_ranges_of_multipart_bodies_fit_together_however_they_are_asked_for(
    held: Door, template: str, accept: str
) -> None:
    """H-20, H-21: delimiters count, and are the same in each request; the total is exact."""
    path = located(held, template)
    whole = await held.get(path, accept)
    total = len(whole.content)
    joined = b""
    while len(joined) < total:
        reach = f"bytes={len(joined)}-{len(joined) + total // 3}"
        some = await held.get(path, accept, range=reach, if_range=whole.headers["etag"])
        assert some.status_code == 206
        assert some.headers["content-range"].endswith(f"/{total}")
        assert some.headers["content-type"] == whole.headers["content-type"]
        joined += some.content
    assert joined == whole.content
    assert parts(whole)
    suffix = await held.get(path, accept, range="bytes=-7")
    assert (suffix.status_code, suffix.content) == (206, whole.content[-7:])
    nothing = await held.get(path, accept, range=f"bytes={total}-")
    assert (nothing.status_code, nothing.headers["content-range"]) == (416, f"bytes */{total}")


@pytest.mark.parametrize("condition", ['W/"{0}"', '"other"', "Thu, 01 Jan 2026 00:00:00 GMT", "{0}"])
async def test_a_range_is_given_only_of_the_very_representation_the_client_has(held: Door, condition: str) -> None:
    """H-20: If-Range compares strongly, and a date is never ours."""
    path = located(held, "{instance}/frames/1")
    etag = (await held.get(path, STORED_FRAMES)).headers["etag"].strip('"')
    answer = await held.get(path, STORED_FRAMES, range="bytes=0-9", if_range=condition.format(etag))
    assert answer.status_code == 200


async def test_several_frames_in_ranges(held: Door) -> None:
    """H-20, H-21"""
    path = held.at(CINE) + "/frames/2,5,9"
    whole = await held.get(path, STORED_FRAMES)
    middle = len(whole.content) // 2
    first = await held.get(path, STORED_FRAMES, range=f"bytes=0-{middle - 1}")
    second = await held.get(path, STORED_FRAMES, range=f"bytes={middle}-", if_range=whole.headers["etag"])
    assert (first.status_code, second.status_code) == (206, 206)
    assert first.content + second.content == whole.content


async def test_bulk_values_in_ranges(held: Door) -> None:
    """W-46"""
    path = held.at(PDF) + "/bulkdata/00420011"
    whole = (await held.get(path, "application/pdf")).content
    some = await held.get(path, "application/pdf", range="bytes=10-19")
    assert (some.status_code, some.content) == (206, whole[10:20])
    beyond = await held.get(path, "application/pdf", range=f"bytes={len(whole)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")


@pytest.mark.parametrize("what", ["frames/1", "bulkdata/7FE00010"])
async def test_a_forced_reload_is_answered_from_what_is_true_now(tmp_path: Path, what: str) -> None:
    """H-13: without it, what was true half a second ago may be answered."""
    with door(tmp_path, CT) as held:
        path = f"{held.at(CT)}/{what}"
        assert (await held.get(path, STORED_FRAMES)).status_code == 200
        held.held.catalog.holdings.delete(held.keys[CT], reason="test")
        assert (await held.get(path, STORED_FRAMES, cache_control="no-cache")).status_code == 410


def test_a_client_that_leaves_stops_the_work_for_it() -> None:
    """H-23"""
    stopped = threading.Event()
    made = [0]

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                made[0] += 1
                yield bytes(1 << 16)
        finally:
            stopped.set()

    with serving(Answer(200, [(b"content-type", b"text/plain")], [Made(None, endless)])) as address:
        with connect(address) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert peer.recv(8) == b"HTTP/1.1"
        assert stopped.wait(10)
    assert made[0] < 10_000


async def test_a_gzip_of_metadata_says_how_long_it_is(held: Door) -> None:
    """H-23"""
    async with (
        held.client() as client,
        client.stream(
            "GET",
            f"/dicomweb{held.at(CT)}/metadata",
            headers={"accept": JSON, "accept-encoding": "gzip"},
        ) as answer,
    ):
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert int(answer.headers["content-length"]) == len(raw)
    assert gzip.decompress(raw).startswith(b"[{")
