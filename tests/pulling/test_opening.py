"""A study that only a source knows is opened through our URLs as if it were here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.encaps import generate_frames

from tests import corpus
from tests.journeys.server import RunningServer, wait_for
from tests.ports import free_port
from tests.pulling.orthanc import orthanc
from tests.pulling.peers import Counted, dicomweb_source, in_front_of, pacs_table, web_table
from tests.sources import dcmqrscp

NAMES = [f"generated/series/ct_{number:03}.dcm" for number in range(6)]
PLAIN = [f"generated/mod/pt_slope_{number}.dcm" for number in range(4)]
"""Not compressed: dcmqrscp takes nothing else."""
JSON = {"accept": "application/dicom+json"}


def read(names: list[str]) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(corpus.path(name)) for name in names]


@pytest.fixture
def files() -> list[pydicom.FileDataset]:
    return read(NAMES)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[RunningServer, Counted]]:
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, counted, _),
        in_front_of(tmp_path / "front", web_table(url)) as server,
    ):
        yield server, counted


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[RunningServer]:
    with dcmqrscp.archive(tmp_path / "archive") as archive:
        archive.store([corpus.path(name) for name in PLAIN])
        with in_front_of(tmp_path / "front", pacs_table(archive.port)) as server:
            yield server


def opened(server: RunningServer, files: list[pydicom.FileDataset]) -> None:
    """What a viewer asks, in its order, and what it must be told."""
    study, series = files[0].StudyInstanceUID, files[0].SeriesInstanceUID
    with server.client() as client:
        listed = found(client, f"/studies?StudyInstanceUID={study}")
        assert [each["00080056"]["Value"] for each in listed] == [["NEARLINE"]]
        described = found(client, f"/studies/{study}/series")
        assert [each["0020000E"]["Value"] for each in described] == [[series]]
        assert described[0]["00201209"]["Value"] == [len(files)]
        rows = found(client, f"/studies/{study}/series/{series}/metadata")
        assert {row["00080018"]["Value"][0] for row in rows} == {file.SOPInstanceUID for file in files}
        assert all("00200032" in row and "00280010" in row for row in rows)
        for file in files:
            assert frame(client, file) == stored(file)


def stored(file: pydicom.FileDataset) -> bytes:
    if not file.file_meta.TransferSyntaxUID.is_encapsulated:
        return bytes(file.PixelData)
    return bytes(next(generate_frames(file.PixelData, number_of_frames=1)))


def found(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 200, (path, answer.status_code, answer.text)
    listed: list[dict[str, Any]] = answer.json()
    return listed


def frame(client: httpx.Client, file: pydicom.FileDataset) -> bytes:
    path = f"/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}/frames/1"
    answer = client.get(path, headers={"accept": "application/octet-stream; transfer-syntax=*"})
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_study_of_a_dicomweb_source_opens(
    web: tuple[RunningServer, Counted], files: list[pydicom.FileDataset]
) -> None:
    server, counted = web
    opened(server, files)
    retrieved = [paths for path, paths in counted.paths.items() if path.count("/") == 6 and "/instances/" in path]
    assert retrieved == [1] * len(files)


def test_a_study_of_an_archive_opens(pacs: RunningServer) -> None:
    opened(pacs, read(PLAIN))


def test_a_study_of_orthanc_opens(tmp_path: Path) -> None:
    with (
        orthanc(tmp_path / "orthanc", [corpus.path(name) for name in PLAIN]) as url,
        in_front_of(tmp_path / "front", web_table(url)) as server,
    ):
        opened(server, read(PLAIN))


def test_an_archive_that_moves_sends_to_our_own_door(tmp_path: Path) -> None:
    port = free_port()
    with dcmqrscp.archive(tmp_path / "archive", destinations={"JOURNEY": port}) as archive:
        archive.store([corpus.path(name) for name in PLAIN])
        table = pacs_table(archive.port, "move", move_to="JOURNEY")
        with in_front_of(tmp_path / "front", table, extra=("--dimse", f"127.0.0.1:{port}")) as server:
            opened(server, read(PLAIN))
            with sqlite3.connect(server.data / "catalog.sqlite") as catalog:
                assert catalog.execute("SELECT DISTINCT source FROM version").fetchall() == [("archive",)]


def test_many_clients_cause_one_retrieval(web: tuple[RunningServer, Counted], files: list[pydicom.FileDataset]) -> None:
    server, counted = web
    with server.client(limits=httpx.Limits(max_connections=50)) as client, ThreadPoolExecutor(50) as clients:
        wanted = [file for file in files for _ in range(8)]
        assert list(clients.map(lambda file: frame(client, file), wanted)) == [stored(file) for file in wanted]
    for file in files:
        path = f"/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}"
        assert counted.paths[path] == 1


def test_a_source_that_is_down_shortens_the_search_with_a_warning(tmp_path: Path) -> None:
    with (
        in_front_of(tmp_path, web_table(f"http://127.0.0.1:{free_port()}")) as server,
        server.client() as client,
    ):
        answer = client.get("/studies", headers=JSON)
        assert answer.status_code in (200, 204)
        assert "neighbour" in answer.headers["warning"]


def test_an_unknown_study_is_not_found(web: tuple[RunningServer, Counted]) -> None:
    with web[0].client() as client:
        assert client.get("/studies/1.2.3/series/1.2.4/metadata", headers=JSON).status_code == 404


def test_doctor_tells_what_works_and_fetch_brings_a_study_before_anybody_asks(
    web: tuple[RunningServer, Counted], files: list[pydicom.FileDataset]
) -> None:
    server, _ = web
    settings = server.data.parent / "settings.toml"
    assert "ok   search" in server.cli("doctor", "neighbour", "--config", settings).stdout
    study = files[0].StudyInstanceUID
    assert f"{study}: 6 instances queued" in server.cli("fetch", study, "--config", settings).stdout
    with server.client() as client:
        wait_for(lambda: found(client, f"/studies/{study}/series")[0]["00080056"]["Value"] == ["ONLINE"], "the series")


def test_series_and_instances_everywhere_are_searched_at_dicomweb_sources_too(
    web: tuple[RunningServer, Counted], files: list[pydicom.FileDataset]
) -> None:
    """Q-02: nothing of the study is known here before, and nothing is announced by looking."""
    server, _ = web
    with server.client() as client:
        (series,) = found(client, f"/series?Modality={files[0].Modality}&PatientID={files[0].PatientID}")
        assert series["0020000E"]["Value"] == [files[0].SeriesInstanceUID]
        assert series["00080056"]["Value"] == ["NEARLINE"]
        assert series["00081190"]["Value"][0].startswith(server.dicomweb)
        listed = found(client, f"/instances?PatientID={files[0].PatientID}&limit=4")
        numbers = [each["00200013"]["Value"][0] for each in listed]
        assert numbers == sorted(int(file.InstanceNumber) for file in files)[:4]
        assert client.get(listed[0]["00081190"]["Value"][0], headers={"Accept": "*/*"}).status_code == 200
        after = found(client, f"/instances?PatientID={files[0].PatientID}")
    assert len({each["00080018"]["Value"][0] for each in after}) == len(files) == len(after)


def test_fifty_clients_of_two_web_processes_cause_one_retrieval_of_each_instance(
    tmp_path: Path, files: list[pydicom.FileDataset]
) -> None:
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, counted, _),
        in_front_of(tmp_path / "front", web_table(url), extra=("--set", "http.workers=2")) as server,
        ThreadPoolExecutor(50) as clients,
    ):

        def view(number: int) -> list[bytes]:
            """A client of its own connection: either process may get it."""
            with server.client() as client:
                return [frame(client, files[(number + step) % len(files)]) for step in range(len(files))]

        seen = list(clients.map(view, range(50)))
    expected = [stored(file) for file in files]
    assert all(seen[n] == expected[n % len(files) :] + expected[: n % len(files)] for n in range(50))
    for file in files:
        path = f"/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}"
        assert counted.paths[path] == 1
