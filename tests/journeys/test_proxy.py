"""Behind a real nginx that serves below a path of its own: every URL in an answer leads back by it (C-13, W-47)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest

from tests.corpus import path
from tests.journeys.asking import AS_STORED, DICOM, JSON, header, instance_url, parts, store, study_url
from tests.journeys.nginx import in_front_of
from tests.journeys.server import RunningServer, running

CT, PDF = "generated/ts/ct_evle.dcm", "generated/mod/encapsulated_pdf.dcm"
RETRIEVE_URL = "00081190"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    env = {"DICOMWEB_SERVER_HTTP_TRUSTED_PROXIES": "127.0.0.0/8"}
    with running(tmp_path_factory.mktemp("trusting"), env=env) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(trusting: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with in_front_of(trusting.http, tmp_path_factory.mktemp("proxy") / "nginx") as roots:
        yield roots


@pytest.fixture(params=["older", "newer"])
def client(request: pytest.FixtureRequest, nginx: tuple[str, str]) -> Iterator[httpx.Client]:
    """Told by X-Forwarded-*, or by Forwarded."""
    with httpx.Client(base_url=f"{nginx[0]}/{request.param}/dicomweb", timeout=60) as client:
        yield client


def urls(found: Any) -> Iterator[str]:
    """Every reference of a DICOM JSON document, at any depth."""
    if isinstance(found, list):
        for each in found:
            yield from urls(each)
    elif isinstance(found, dict):
        if "BulkDataURI" in found:
            yield found["BulkDataURI"]
        for tag, each in found.items():
            if tag == RETRIEVE_URL:
                yield from each.get("Value", ())
            else:
                yield from urls(each)


def followed(client: httpx.Client, url: str) -> None:
    base = str(client.base_url)
    assert url.startswith(base), url
    accept = AS_STORED if "/bulkdata/" in url else f"{DICOM}; transfer-syntax=*"
    answer = client.get(url, headers={"Accept": accept})
    assert answer.status_code == 200
    assert all(headers["Content-Location"].startswith(base) for headers, _ in parts(answer))


def test_every_url_in_an_answer_leads_back_through_the_proxy(client: httpx.Client) -> None:
    stored = store(client, [path(CT), path(PDF)])
    assert stored.status_code == 200
    found = list(urls(stored.json()))
    for name in (CT, PDF):
        for below in ("/studies?StudyInstanceUID=" + str(header(name).StudyInstanceUID), study_url(name) + "/metadata"):
            found += urls(client.get(below, headers=JSON).json())
        for level in ("series", "instances"):
            found += urls(client.get(f"{study_url(name)}/{level}", headers=JSON).json())
    assert len(found) >= 9
    assert any("/bulkdata/" in url for url in found)
    for url in sorted(set(found)):
        followed(client, url)


def test_ranges_and_conditions_pass_the_proxy(client: httpx.Client) -> None:
    store(client, [path(CT)])
    whole = client.get(f"{study_url(CT)}/pixeldata", headers={"Accept": AS_STORED})
    etag = whole.headers["etag"]
    part = client.get(
        f"{study_url(CT)}/pixeldata", headers={"Accept": AS_STORED, "Range": "bytes=100-299", "If-Range": etag}
    )
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    known = client.get(f"{study_url(CT)}/pixeldata", headers={"Accept": AS_STORED, "If-None-Match": etag})
    assert known.status_code == 304


def test_a_client_of_the_proxy_cannot_name_another_host(client: httpx.Client) -> None:
    """What it sends itself is replaced, removed, or stands before what the proxy says of it: the nearest counts."""
    forged = {
        **JSON,
        "Forwarded": "host=evil.example;proto=https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Proto": "https",
    }
    store(client, [path(CT)])
    found = list(urls(client.get(f"{study_url(CT)}/metadata", headers=forged).json()))
    assert found
    assert all(url.startswith(str(client.base_url)) for url in found)


async def test_hundreds_of_frames_come_side_by_side_over_one_connection_of_http_2(nginx: tuple[str, str]) -> None:
    """H-24"""
    base = f"{nginx[1]}/dicomweb"
    with httpx.Client(base_url=base, http1=False, http2=True, timeout=60) as client:
        assert store(client, [path(CT)]).status_code == 200
    one = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(base_url=base, http1=False, http2=True, limits=one, timeout=60) as client:
        wanted = {"Accept": "application/octet-stream; transfer-syntax=*"}
        answers = await asyncio.gather(
            *(client.get(f"{instance_url(CT)}/frames/1", headers=wanted) for _ in range(300))
        )
    pixels = pydicom.dcmread(path(CT)).PixelData
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert all(answer.content == pixels for answer in answers)


def test_a_peer_that_is_not_trusted_is_not_believed(server: RunningServer, tmp_path: Path) -> None:
    """Its Host header is all that counts, as for any client."""
    with in_front_of(server.http, tmp_path / "nginx") as (root, _):
        with httpx.Client(base_url=f"{root}/older/dicomweb", timeout=60) as client:
            store(client, [path(CT)])
            found = list(urls(client.get(f"{study_url(CT)}/metadata", headers=JSON).json()))
            assert found
            assert all(url.startswith("http://inside.example/dicomweb/") for url in found)
        forged = {**JSON, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
        direct = httpx.get(f"{server.dicomweb}{study_url(CT)}/metadata", headers=forged)
        assert all(url.startswith(server.dicomweb) for url in urls(direct.json()))
