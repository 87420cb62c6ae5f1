"""Manifests dropped into the watched folder are loaded at once, and end in done or failed with a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from tests import corpus
from tests.journeys.server import RunningServer, start, wait_for
from tests.pulling.peers import in_front_of
from tests.pulling.site import Site, manifest, open_site
from tests.pulling.test_opening import frame, stored

NAMES = [f"generated/mod/pt_slope_{number}.dcm" for number in range(3)]
EXTRA = (
    *("--set", "collections.hosts=127.0.0.1", "--set", "collections.private_hosts=true"),
    *("--set", "collections.submissions_seconds=0.2", "--set", "work.lease_seconds=3"),
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with in_front_of(tmp_path_factory.mktemp("watching"), extra=EXTRA) as running:
        yield running


def drop(server: RunningServer, name: str, content: bytes) -> Path:
    """Write it elsewhere and rename it into place, as the documentation advises; the folder."""
    folder = server.data / "submissions"
    folder.mkdir(exist_ok=True)
    (server.data / name).write_bytes(content)
    (server.data / name).rename(folder / name)
    return folder


def report(folder: Path, end: str, name: str) -> dict[str, Any]:
    wait_for(lambda: (folder / end / name).exists(), f"{name} in {end}")
    found: dict[str, Any] = orjson.loads((folder / end / f"{name}.report").read_bytes())
    return found


def test_a_submission_is_loaded_without_anybody_asking(server: RunningServer, site: Site) -> None:
    content = orjson.dumps(manifest(site, *NAMES))
    folder = drop(server, "patient.json", content)
    told = report(folder, "done", "patient.json")
    assert (told["phase"], told["studies"][0]["ready"]) == ("ready", len(NAMES))
    assert (folder / "done" / "patient.json").read_bytes() == content
    assert list((folder / "working").iterdir()) == []
    with server.client() as client:
        for name in NAMES:
            file = pydicom.dcmread(corpus.path(name))
            assert frame(client, file) == stored(file)


def test_the_same_name_again_is_kept_beside(server: RunningServer, site: Site) -> None:
    for _ in range(2):
        folder = drop(server, "twice.json", orjson.dumps(manifest(site, NAMES[0])))
        wait_for(lambda folder=folder: not (folder / "twice.json").exists(), "its turn")  # type: ignore[misc]
    assert report(folder, "done", "twice-2.json")["phase"] == "ready"


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        (
            "other.json",
            b'{"studies": [{"uid": "1.2", "series": [{"uid": "1.3", "instances": [%s]}]}]}',
            "other.example",
        ),
        ("empty.json", b"{}", "studies"),
        ("list.json", b"[]", "manifest"),
    ],
)
def test_what_is_no_manifest_fails_with_its_reason(
    server: RunningServer, name: str, content: bytes, named: str
) -> None:
    entry = b'{"uid": "1.4", "url": "https://other.example/a"}'
    folder = drop(server, name, content.replace(b"%s", entry))
    assert named in report(folder, "failed", name)["reason"]


def test_a_long_name_and_a_folder_hold_nothing_up(server: RunningServer, site: Site) -> None:
    folder = server.data / "submissions"
    folder.mkdir(exist_ok=True)
    (folder / "a folder.json").mkdir()
    drop(server, f"{'long' * 60}.json", orjson.dumps(manifest(site, NAMES[0])))
    assert report(folder, "done", f"{'long' * 60}.json"[-180:])["phase"] == "ready"


def test_a_file_still_being_written_is_left_alone(server: RunningServer, site: Site) -> None:
    content = orjson.dumps(manifest(site, NAMES[0]))
    folder = drop(server, "slow.json", content[:100])
    with (folder / "slow.json").open("ab") as file:
        file.write(content[100:])
    assert report(folder, "done", "slow.json")["phase"] == "ready"


def test_a_kill_on_the_way_loses_no_submission(tmp_path: Path, site: Site) -> None:
    names = ["generated/ts/ct_evle.dcm", "generated/ts/ct_rle.dcm"]
    site.sick.set()
    server = start(tmp_path, extra=EXTRA)
    folder = drop(server, "killed.json", orjson.dumps(manifest(site, *names)))
    wait_for(lambda: any((folder / "working").glob("*")), "its beginning")
    server.kill()
    site.sick.clear()
    server = start(tmp_path, extra=EXTRA)
    try:
        assert report(folder, "done", "killed.json")["studies"][0]["ready"] == len(names)
    finally:
        server.stop()
