"""Collections through the operations API, with real sources behind: asked for, followed, described, handed out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pydicom
import pytest

from tests import corpus
from tests.journeys.server import RunningServer, wait_for
from tests.pulling.peers import dicomweb_source, in_front_of, web_table
from tests.pulling.site import Site, manifest, open_site
from tests.pulling.test_opening import JSON, found, frame, stored

PT = [f"generated/mod/pt_slope_{number}.dcm" for number in range(3)]
CT = ["generated/ts/ct_evle.dcm"]
HOSTS = (
    *("--set", "collections.hosts=127.0.0.1", "--set", "collections.private_hosts=true"),
    *("--set", "collections.webhook_hosts=127.0.0.1"),
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[RunningServer]:
    """A server before a DICOMweb source that holds two studies."""
    with (
        dicomweb_source(tmp_path / "source", *PT, *CT) as (url, _, _),
        in_front_of(tmp_path / "front", web_table(url), extra=HOSTS) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that takes manifests and has no other source."""
    with in_front_of(tmp_path_factory.mktemp("alone"), extra=HOSTS) as server:
        yield server


def header(name: str) -> pydicom.Dataset:
    return pydicom.dcmread(corpus.path(name))


def ask(server: RunningServer, **wanted: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server.root}/api/v1/collections", json=wanted)
    assert answer.status_code == 202, answer.text
    taken: dict[str, Any] = answer.json()
    assert answer.headers["location"] == taken["progress"]
    return taken


def ended(taken: dict[str, Any], phase: str = "ready") -> dict[str, Any]:
    """Its progress once it has ended, as a client polls it."""
    wait_for(lambda: "retry-after" not in httpx.get(taken["progress"]).headers, "the end of the collection")
    answer: dict[str, Any] = httpx.get(taken["progress"]).json()
    assert answer["phase"] == phase, answer
    return answer


def test_studies_are_stored_and_followed_to_the_end(behind: RunningServer) -> None:
    wanted = [header(PT[0]).StudyInstanceUID, header(CT[0]).StudyInstanceUID]
    taken = ask(behind, studies=wanted)
    with httpx.stream("GET", taken["events"], timeout=60) as stream:
        told = [line for line in stream.iter_lines() if line]
    assert told[-2:] == ["event: end", 'data: {"phase":"ready"}']
    last = orjson.loads([line for line in told if line.startswith("data: ")][-2].removeprefix("data: "))
    progress = ended(taken)
    assert last == progress
    assert [each["study"] for each in progress["studies"]] == wanted
    assert progress["instances_by_state"]["ready"] == len(PT) + len(CT)
    answer = httpx.get(taken["progress"])
    again = httpx.get(taken["progress"], headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    with behind.client() as client:
        for name in (*PT, *CT):
            assert frame(client, header(name)) == stored(header(name))


def test_a_patient_is_announced_at_once_and_fetched_by_the_links(behind: RunningServer) -> None:
    patient = header(CT[0]).PatientID
    taken = ask(behind, patient={"id": patient}, action="announce", link_seconds=600)
    wait_for(lambda: httpx.get(taken["description"]).status_code == 200, "the description")
    described = httpx.get(taken["description"]).json()
    study = header(CT[0]).StudyInstanceUID
    assert study in {each["study"] for each in described["studies"]}
    assert [each["position"] for each in described["studies"]] == list(range(1, len(described["studies"]) + 1))
    (series,) = next(each["series"] for each in described["studies"] if each["study"] == study)
    assert series["0020000E"]["Value"] == [header(CT[0]).SeriesInstanceUID]
    place = f"{taken['progress']}/studies/{study}/series/{header(CT[0]).SeriesInstanceUID}"
    records = httpx.get(f"{place}?links=600").json()
    (image,) = records["images"]
    assert (records["slices"], image["state"], image["here"], image["frames"]) == (1, "announced", False, None)
    content = httpx.get(image["content"], headers={"Accept": "application/dicom; transfer-syntax=*"}, timeout=60)
    assert content.status_code == 200
    assert pydicom.dcmread(corpus.path(CT[0])).PixelData in content.content
    wait_for(lambda: httpx.get(place).json()["images"][0]["state"] == "ready", "its preprocessing")
    again = httpx.get(place).json()["images"][0]
    assert (again["here"], again["frames"]) == (True, 1)
    assert httpx.get(again["thumbnail"], headers={"Accept": "image/jpeg"}).content.startswith(b"\xff\xd8")
    assert httpx.get(image["metadata"], headers=JSON).json()[0]["00080018"]["Value"] == [image["instance"]]


def test_links_are_good_for_what_was_signed_alone(behind: RunningServer) -> None:
    taken = ask(behind, studies=[header(CT[0]).StudyInstanceUID], action="announce", link_seconds=600)
    link = taken["description"]
    assert "/signed/" in link
    assert "/signed/" not in taken["progress"]
    wait_for(lambda: httpx.get(link).status_code == 200, "the description")
    assert httpx.head(link).status_code == 200
    expires, signature, path = re.fullmatch(r".*/signed/(\d+)/([0-9a-f]{64})(/.*)", link).groups()  # type: ignore[union-attr]
    for forged in (
        f"/signed/{int(expires) + 1}/{signature}{path}",
        f"/signed/{expires}/{signature}/api/v1/collections",
        f"/signed/{expires}/{'0' * 64}{path}",
        f"/signed/{expires}/{signature}{path}?more=1",
        f"/signed/x/{signature}{path}",
    ):
        assert httpx.get(f"{behind.root}{forged}").status_code == 403
    assert httpx.post(link, json={}).status_code == 405


def test_a_manifest_is_loaded_and_whoever_asked_is_told(alone: RunningServer, site: Site) -> None:
    hook = {"webhook": f"{site.url}/told", "on": ["ready"]}
    taken = ask(alone, manifest=manifest(site, *PT, time_point="week 12"), notify=hook)
    progress = ended(taken)
    assert [(each["time_point"], each["position"]) for each in progress["studies"]] == [("week 12", 1)]
    with alone.client() as client:
        for name in PT:
            assert frame(client, header(name)) == stored(header(name))
        assert [site.asked[name] for name in PT] == [1, 1, 1]
    wait_for(lambda: any(each["about"] == taken["id"] for each in site.told), "the webhook")
    (told,) = [each for each in site.told if each["about"] == taken["id"]]
    assert (told["subject"], told["facts"]["phase"]) == ("collection-ready", "ready")


def test_what_a_manifest_promised_and_did_not_keep_is_named(alone: RunningServer, site: Site) -> None:
    name = "generated/ts/ct_ivle.dcm"
    described = manifest(site, name)
    entry = described["studies"][0]["series"][0]["instances"][0]
    sound = entry["sha256"]
    entry["sha256"] = "0" * 64
    progress = ended(ask(alone, manifest=described), "failed")
    assert progress["instances_by_state"]["failed"] == 1
    study, series = described["studies"][0]["uid"], described["studies"][0]["series"][0]["uid"]
    place = f"{alone.root}/api/v1/collections/{progress['id']}/studies/{study}/series/{series}"
    assert "digest" in httpx.get(place).json()["images"][0]["reason"]
    entry["sha256"] = sound
    assert ended(ask(alone, manifest=described))["instances_by_state"]["ready"] == 1


def test_a_manifest_is_fetched_from_where_it_lies(alone: RunningServer, site: Site) -> None:
    site.documents["list.json"] = orjson.dumps(manifest(site, "generated/ts/rgb_evle.dcm"))
    assert ended(ask(alone, manifest_url=f"{site.url}/list.json"))["instances_by_state"]["failed"] == 0
    with alone.client() as client:
        assert frame(client, header("generated/ts/rgb_evle.dcm")) == stored(header("generated/ts/rgb_evle.dcm"))
    site.documents["broken.json"] = b"["
    assert "JSON" in ended(ask(alone, manifest_url=f"{site.url}/broken.json"), "failed")["reason"]


def test_what_is_purged_comes_again_when_asked_for(behind: RunningServer) -> None:
    study = header(CT[0]).StudyInstanceUID
    first = ask(behind, studies=[study])
    assert ended(first)["instances_by_state"]["ready"] == 1
    assert ended(ask(behind, collection=first["id"], action="purge"))["instances_by_state"]["announced"] == 1
    with behind.client() as client:
        assert found(client, f"/studies/{study}/instances")[0]["00080056"]["Value"] == ["NEARLINE"]
        assert frame(client, header(CT[0])) == stored(header(CT[0]))


def test_what_no_source_knows_fails_and_says_so(behind: RunningServer) -> None:
    taken = ask(behind, studies=["1.2.3.4"])
    assert "1.2.3.4" in ended(taken, "failed")["reason"]
    missing = httpx.get(taken["description"])
    assert (missing.status_code, "retry-after" in missing.headers) == (404, False)
    assert "nothing is known" in ended(ask(behind, patient={"id": "NOBODY"}), "failed")["reason"]


def test_a_collection_is_cancelled_requeued_and_forgotten(alone: RunningServer, site: Site) -> None:
    names = ["generated/ts/ct_rle.dcm"]
    site.sick.set()
    taken = ask(alone, manifest=manifest(site, *names))
    wait_for(lambda: httpx.get(taken["progress"]).json()["phase"] == "loading", "the description")
    assert "retry-after" in httpx.get(taken["progress"]).headers
    assert httpx.post(f"{taken['progress']}/raise", json={}).json()["count"] == 1
    httpx.post(f"{taken['progress']}/cancel", json={})
    assert ended(taken, "cancelled")["id"] == taken["id"]
    site.sick.clear()
    assert httpx.post(f"{taken['progress']}/requeue", json={}).json() == {"count": 1}
    assert ended(taken)["state"] == "ready"
    listed = httpx.get(f"{alone.root}/api/v1/collections").json()["collections"]
    assert taken["id"] in {each["id"] for each in listed}
    assert httpx.delete(taken["progress"]).status_code == 204
    assert httpx.get(taken["progress"]).status_code == 404
    with alone.client() as client:
        assert frame(client, header(names[0])) == stored(header(names[0]))


def test_records_of_what_ended_are_swept(tmp_path: Path, site: Site) -> None:
    extra = (*HOSTS, "--set", "collections.keep_hours=0.0003")
    with in_front_of(tmp_path, extra=extra) as server:
        taken = ask(server, manifest=manifest(site, CT[0]))
        wait_for(lambda: httpx.get(taken["progress"]).status_code == 404, "the sweep")
        with server.client() as client:
            assert frame(client, header(CT[0])) == stored(header(CT[0]))
