"""What a request is told while its study is on the way, and when it was deleted here (H-30, H-31, E-02)."""

from __future__ import annotations

from pathlib import Path

import pydicom
from starlette.types import Receive, Scope, Send

from dicomweb_server.web.app import make_app
from tests import corpus
from tests.journeys.server import wait_for
from tests.pulling.peers import dicomweb_source, in_front_of, web_table
from tests.pulling.test_faults import AS_STORED, Refusing, frame_path
from tests.pulling.test_opening import JSON, found, frame, stored
from tests.web.retrieving import door
from tests.web.serving import serving

NAMES = [f"generated/mod/pt_slope_{number}.dcm" for number in range(4)]
IMPATIENT = ("--set", "cache.fetch_wait_seconds=0.5", "--set", "cache.series_wait_seconds=0.5")


def test_an_instance_that_takes_too_long_is_503_and_when_to_come_again(tmp_path: Path) -> None:
    """H-30: a viewer takes 202 for data and 404 for an answer."""
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    with door(tmp_path / "source", *NAMES) as held:
        refusing = Refusing(make_app(held.services), files[1].SOPInstanceUID, 503, 3)
        with (
            serving(refusing) as (host, port),
            in_front_of(tmp_path / "front", web_table(f"http://{host}:{port}/dicomweb"), extra=IMPATIENT) as server,
            server.client() as client,
        ):
            first = client.get(frame_path(files[1]), headers=AS_STORED)
            assert first.status_code == 503
            assert int(first.headers["retry-after"]) >= 1
            wait_for(lambda: client.get(frame_path(files[1]), headers=AS_STORED).status_code == 200, "the instance")
            assert frame(client, files[1]) == stored(files[1])


class Undescribed(Refusing):
    """A source that cannot describe its instances, as a PACS cannot."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/metadata"):
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await super().__call__(scope, receive, send)


def test_metadata_of_a_series_waits_for_all_of_it_or_is_503(tmp_path: Path) -> None:
    """H-31: a viewer would take a short answer for the whole series."""
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    series = f"/studies/{files[0].StudyInstanceUID}/series/{files[0].SeriesInstanceUID}/metadata"
    with door(tmp_path / "source", *NAMES) as held:
        source = Undescribed(make_app(held.services), files[1].SOPInstanceUID, 503, 3)
        with (
            serving(source) as (host, port),
            in_front_of(tmp_path / "front", web_table(f"http://{host}:{port}/dicomweb"), extra=IMPATIENT) as server,
            server.client() as client,
        ):
            first = client.get(series, headers=JSON)
            assert first.status_code == 503
            assert int(first.headers["retry-after"]) >= 1
            wait_for(lambda: client.get(series, headers=JSON).status_code != 503, "the series")
            assert len(found(client, series)) == len(files)


def test_metadata_of_a_series_on_the_way_is_never_silently_short(tmp_path: Path) -> None:
    """H-31: it is whole, or it says how much is left out."""
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    series = f"/studies/{files[0].StudyInstanceUID}/series/{files[0].SeriesInstanceUID}/metadata"
    with door(tmp_path / "source", *NAMES) as held:
        refusing = Refusing(make_app(held.services), files[1].SOPInstanceUID, 404, 1000)
        with (
            serving(refusing) as (host, port),
            in_front_of(tmp_path / "front", web_table(f"http://{host}:{port}/dicomweb"), extra=IMPATIENT) as server,
            server.client() as client,
        ):
            assert len(found(client, series)) == len(files)
            assert client.get(frame_path(files[1]), headers=AS_STORED).status_code in (502, 503)
            answers = []

            def short() -> bool:
                answers.append(client.get(series, headers=JSON))
                return len(answers[-1].json()) < len(files)

            wait_for(short, "the failure")
            assert {answer.status_code for answer in answers} == {200}
            assert len(answers[-1].json()) == len(files) - 1
            assert "1 instances" in answers[-1].headers["warning"]
            assert answers[-1].headers["cache-control"] == "private, no-cache"


def test_what_was_deleted_here_is_not_fetched_again(tmp_path: Path) -> None:
    """E-02: other than what was purged, which its source sends again."""
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    study = f"/studies/{files[0].StudyInstanceUID}"
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, counted, _),
        in_front_of(tmp_path / "front", web_table(url), extra=("--set", "http.allow_delete=true")) as server,
        server.client() as client,
    ):
        for file in files:
            assert frame(client, file) == stored(file)
        wait_for(lambda: found(client, f"{study}/series")[0]["00080056"]["Value"] == ["ONLINE"], "the series")
        assert client.delete(study).status_code == 204
        before = sum(counted.paths.values())
        assert client.get(f"{study}/metadata", headers=JSON).status_code == 410
        assert client.get(frame_path(files[0]), headers=AS_STORED).status_code == 410
        assert client.delete(study).status_code == 410
        assert sum(counted.paths.values()) == before
        for level in ("studies", "series", "instances"):
            answer = client.get(f"/{level}?StudyInstanceUID={files[0].StudyInstanceUID}", headers=JSON)
            assert (answer.status_code, counted.paths[f"/{level}"] > 0) == (204, True)


def test_an_instance_that_was_deleted_here_is_left_out_of_what_is_new_at_its_source(tmp_path: Path) -> None:
    """E-02: whether its study is compared with the source, or fetched by name."""
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    study = f"/studies/{files[0].StudyInstanceUID}"
    often = ("--set", "http.allow_delete=true", "--set", "cache.refresh_seconds=0.01")
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, counted, _),
        in_front_of(tmp_path / "front", web_table(url), extra=often) as server,
        server.client() as client,
    ):

        def listings() -> int:
            return sum(count for path, count in counted.paths.items() if path.endswith("/instances"))

        for file in files:
            assert frame(client, file) == stored(file)
        assert client.delete(frame_path(files[0]).partition("/frames")[0]).status_code == 204
        before = listings()
        wait_for(
            lambda: bool(found(client, f"{study}/instances")) and listings() > before + 1, "another look at the source"
        )
        settings = server.data.parent / "settings.toml"
        fetched = server.cli("fetch", files[0].StudyInstanceUID, "--config", settings)
        assert ": 0 instances queued" in fetched.stdout
        assert len(found(client, f"{study}/instances")) == len(files) - 1
        assert client.get(frame_path(files[0]), headers=AS_STORED).status_code == 410
        fetched = server.cli("fetch", "--again", files[0].StudyInstanceUID, "--config", settings)
        assert ": 1 instances queued" in fetched.stdout
        assert frame(client, files[0]) == stored(files[0])
