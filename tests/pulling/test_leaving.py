"""What the cache lets go stays searchable and comes back when it is opened; nobody who reads notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.objects.folder import STAGING
from tests.journeys.server import RunningServer, wait_for
from tests.pulling.peers import Counted, dicomweb_source, in_front_of, web_table
from tests.pulling.test_opening import NAMES, found, frame, opened, read, stored

BOUNDED = ("--set", "cache.max_bytes=1", "--set", "cache.keep_viewed_seconds=0", "--set", "cache.evict_seconds=1")


@pytest.fixture
def files() -> list[pydicom.FileDataset]:
    return read(NAMES)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[tuple[str, Counted]]:
    with dicomweb_source(tmp_path / "source", *NAMES) as (url, counted, _):
        yield url, counted


def files_held(server: RunningServer) -> int:
    objects = server.data / "objects"
    return sum(STAGING not in path.parts for path in objects.rglob("*.dcm"))


def availability(server: RunningServer, study: str) -> list[str]:
    with server.client() as client:
        return [each["00080056"]["Value"][0] for each in found(client, f"/studies/{study}/series")]


def test_a_purged_study_is_searched_and_opened_as_if_nothing_had_happened(
    tmp_path: Path, source: tuple[str, Counted], files: list[pydicom.FileDataset]
) -> None:
    url, counted = source
    study = files[0].StudyInstanceUID
    with in_front_of(tmp_path / "front", web_table(url)) as server:
        opened(server, files)
        assert files_held(server) == len(files)
        assert f"{len(files)} instances left" in server.cli("purge", study).stdout
        assert files_held(server) == 0
        assert availability(server, study) == ["NEARLINE"]
        with server.client() as client:
            assert [frame(client, file) for file in files] == [stored(file) for file in files]
    assert {counted.paths[path] for path in counted.paths if path.count("/") == 6} == {2}


def test_a_pinned_study_is_kept(tmp_path: Path, source: tuple[str, Counted], files: list[pydicom.FileDataset]) -> None:
    study = files[0].StudyInstanceUID
    with in_front_of(tmp_path / "front", web_table(source[0])) as server:
        opened(server, files)
        assert server.cli("pin", study).returncode == 0
        assert "0 instances left" in server.cli("purge", study).stdout
        assert "no longer" in server.cli("pin", study, "--off").stdout
        assert "6 instances left" in server.cli("purge", study).stdout


def test_a_bounded_cache_lets_go_by_itself_and_never_of_what_was_pushed(
    tmp_path: Path, source: tuple[str, Counted], files: list[pydicom.FileDataset]
) -> None:
    pushed = "generated/ts/ct_rle.dcm"
    with in_front_of(tmp_path / "front", web_table(source[0]), extra=BOUNDED) as server:
        server.import_files(Path(read([pushed])[0].filename))
        with server.client() as client:
            assert frame(client, files[0]) == stored(files[0])
        wait_for(lambda: files_held(server) == 1, "the cache to be within its bounds")
        with server.client() as client:
            assert frame(client, read([pushed])[0])
            assert frame(client, files[0]) == stored(files[0])


def test_readers_of_what_leaves_meanwhile_notice_nothing(
    tmp_path: Path, source: tuple[str, Counted], files: list[pydicom.FileDataset]
) -> None:
    with in_front_of(tmp_path / "front", web_table(source[0]), extra=BOUNDED) as server, server.client() as client:
        for _ in range(25):
            for file in files:
                assert frame(client, file) == stored(file)
