"""Metadata over HTTP (W-10 to W-19, C-36, H-10 to H-14)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pydicom
import pytest

from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.states import State
from dicomweb_server.reconcile.series import ReconcileSeries
from tests import corpus
from tests.web.retrieving import BASE, Door, door, instance_path, parts

CT = "generated/ts/ct_evle.dcm"
SERIES = [f"generated/series/ct_{n:03d}.dcm" for n in range(5)]
JSON = "application/dicom+json"
ANY = "application/octet-stream; transfer-syntax=*"
XML = 'multipart/related; type="application/dicom+xml"'


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("metadata"), CT, *SERIES) as opened:
        yield opened


@pytest.mark.parametrize("at_rest", [True, False])
async def test_what_is_lost_is_left_out_by_name_and_what_failed_by_its_pixels_is_not(
    tmp_path: Path, at_rest: bool
) -> None:
    with door(tmp_path, *SERIES) as opened:
        catalog, series = opened.held.catalog, series_path(opened, SERIES[0])
        keys = [opened.keys[name] for name in SERIES]
        catalog.progress.fail(keys[:2], [State.STORED], reason="a decoder died", attempts=5)
        if at_rest:
            ReconcileSeries(opened.held.objects, catalog, quiet_seconds=0)([Ticket(Kind.RECONCILE, keys[0].of_series)])
        whole = await opened.get(f"{series}/metadata", JSON)
        assert (len(whole.json()), "warning" in whole.headers) == (5, False)
        catalog.mending.lose(keys[0], catalog.holdings.version(keys[0]).object_key, reason="its file is lost")
        if at_rest:
            ReconcileSeries(opened.held.objects, catalog, quiet_seconds=0)([Ticket(Kind.RECONCILE, keys[0].of_series)])
    with door(tmp_path) as again:
        for path in (series, series.partition("/series/")[0]):
            lacking = await again.get(f"{path}/metadata", JSON)
            assert len(lacking.json()) == 4
            assert "1 instances" in lacking.headers["warning"]


def series_path(held: Door, name: str) -> str:
    return held.at(name).rpartition("/instances/")[0]


def study_path(held: Door, name: str) -> str:
    return held.at(name).partition("/series/")[0]


async def test_an_instance_is_an_array_of_one(held: Door) -> None:
    answer = await held.get(held.at(CT) + "/metadata", JSON)
    assert answer.headers["content-type"] == JSON
    (found,) = answer.json()
    dataset = pydicom.dcmread(corpus.path(CT))
    assert found["00280010"] == {"vr": "US", "Value": [dataset.Rows]}
    assert found["00100010"]["Value"] == [{"Alphabetic": str(dataset.PatientName)}]
    assert not [tag for tag in found if tag.startswith("0002") or tag.endswith("0000")]
    assert found["7FE00010"]["BulkDataURI"] == f"{BASE}{held.at(CT)}/bulkdata/7FE00010"


@pytest.mark.parametrize("scope", [series_path, study_path])
async def test_a_series_and_a_study_hold_all_their_instances(held: Door, scope) -> None:  # type: ignore[no-untyped-def]
    found = (await held.get(scope(held, SERIES[0]) + "/metadata", JSON)).json()
    assert {each["00080018"]["Value"][0] for each in found} == {held.keys[name].instance for name in SERIES}


@pytest.mark.parametrize(
    ("accept", "kind"), [("*/*", JSON), ("application/json", "application/json"), (JSON, JSON), (None, JSON)]
)
async def test_json_under_every_name(held: Door, accept: str | None, kind: str) -> None:
    assert (await held.get(held.at(CT) + "/metadata", accept)).headers["content-type"] == kind


async def test_other_types_are_not_acceptable(held: Door) -> None:
    assert (await held.get(held.at(CT) + "/metadata", "image/png")).status_code == 406


async def test_xml_is_one_part_for_each_instance(held: Door) -> None:
    found = parts(await held.get(series_path(held, SERIES[0]) + "/metadata", XML, accept_encoding="identity"))
    uids = set()
    for part in found:
        assert part.headers["Content-Type"] == "application/dicom+xml"
        document = ElementTree.fromstring(part.body)
        uids.add(next(node[0].text for node in document.iter() if node.get("tag") == "00080018"))
    assert uids == {held.keys[name].instance for name in SERIES}


async def test_one_xml_document_holds_one_instance(held: Door) -> None:
    single = await held.get(held.at(CT) + "/metadata", "application/dicom+xml")
    assert single.headers["content-type"] == "application/dicom+xml"
    assert (await held.get(series_path(held, SERIES[0]) + "/metadata", "application/dicom+xml")).status_code == 406


async def test_gzip_for_those_who_take_it(held: Door) -> None:
    path = series_path(held, SERIES[0]) + "/metadata"
    plain = await held.get(path, JSON, accept_encoding="identity")
    packed = await held.get(path, JSON, accept_encoding="gzip, deflate, br, zstd")
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "Accept-Encoding" in packed.headers["vary"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("scope", [Door.at, series_path, study_path])
async def test_what_a_client_knows_is_not_sent_again(held: Door, scope, encoding: str) -> None:  # type: ignore[no-untyped-def]
    path = scope(held, SERIES[0]) + "/metadata"
    etag = (await held.get(path, JSON, accept_encoding=encoding)).headers["etag"]
    again = await held.get(path, JSON, accept_encoding=encoding, if_none_match=etag)
    assert again.status_code == 304 and again.headers["etag"] == etag
    assert again.headers["cache-control"] == "private, no-cache"


async def test_references_lead_to_the_address_the_client_used(held: Door) -> None:
    answer = await held.get(held.at(CT) + "/metadata", JSON, host="pacs.example:8443")
    assert answer.json()[0]["7FE00010"]["BulkDataURI"].startswith("http://pacs.example:8443/dicomweb/")
    assert answer.headers["etag"] != (await held.get(held.at(CT) + "/metadata", JSON)).headers["etag"]


async def test_every_reference_can_be_followed(held: Door) -> None:
    text = (await held.get(study_path(held, SERIES[0]) + "/metadata", JSON)).text
    references = re.findall(r'"BulkDataURI":"([^"]+)"', text)
    assert len(references) >= len(SERIES)
    for reference in references:
        assert reference.startswith(BASE)
        assert (await held.get(reference.removeprefix(BASE), ANY)).status_code == 200


async def test_head_tells_the_length(held: Door) -> None:
    path = held.at(CT) + "/metadata"
    head = await held.get(path, JSON, method="HEAD", accept_encoding="identity")
    assert int(head.headers["content-length"]) == len((await held.get(path, JSON, accept_encoding="identity")).content)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3.4/metadata", 404),
        ("/studies/1.2.3.4/series/1.2/metadata", 404),
        ("/studies/1.2.3.4/series/1.2/instances/1/metadata", 404),
        ("/studies/abc/metadata", 400),
        ("/studies/../metadata", 404),
    ],
)
async def test_what_is_not_here_is_not_found(held: Door, path: str, status: int) -> None:
    assert (await held.get(path, JSON)).status_code == status


async def test_a_growing_series_shows_each_new_instance_at_once_and_its_document_when_it_rests(tmp_path: Path) -> None:
    with door(tmp_path, *SERIES[:3]) as held:
        path = series_path(held, SERIES[0]) + "/metadata"
        first = await held.get(path, JSON)
        held.held.take(corpus.path(SERIES[3]))
        second = await held.get(path, JSON)
        assert (len(first.json()), len(second.json())) == (3, 4)
        assert first.headers["etag"] != second.headers["etag"]

        key = held.keys[SERIES[0]].of_series
        settle = ReconcileSeries(held.held.objects, held.held.catalog, quiet_seconds=0.0)
        settle([Ticket(Kind.RECONCILE, key)])
        document = held.held.catalog.holdings.series_progress(key).document
        assert document is not None
        resting = await held.get(path, JSON)
        assert resting.json() == second.json()
        assert resting.headers["etag"] != second.headers["etag"]

        held.held.take(corpus.path(SERIES[4]))
        assert len((await held.get(path, JSON)).json()) == 5


async def test_a_compressed_document_is_a_whole_one(held: Door) -> None:
    async with (
        held.client() as client,
        client.stream(
            "GET",
            f"/dicomweb{series_path(held, SERIES[0])}/metadata",
            headers={"accept": JSON, "accept-encoding": "gzip"},
        ) as answer,
    ):
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert len(json.loads(gzip.decompress(raw))) == len(SERIES)


async def test_a_deleted_instance_leaves_the_metadata_of_its_series(tmp_path: Path) -> None:
    with door(tmp_path, *SERIES[:2]) as held:
        path = series_path(held, SERIES[0]) + "/metadata"
        assert len((await held.get(path, JSON)).json()) == 2
        held.held.catalog.holdings.delete(held.keys[SERIES[1]], reason="test")
        assert len((await held.get(path, JSON)).json()) == 1
        assert (await held.get(instance_path(held.keys[SERIES[1]]) + "/metadata", JSON)).status_code == 410
