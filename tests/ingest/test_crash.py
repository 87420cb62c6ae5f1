"""Killed at any step, nothing acknowledged is lost and nothing stands in the catalog that is not there (S-17)."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import StudyKey
from dicomweb_server.model.records import Version
from dicomweb_server.objects.folder import FolderStore
from tests.ingest import traced
from tests.ingest.files import STUDY, part10

SENT = {f"1.2.9.{number}": part10(f"1.2.9.{number}") for number in (1, 2)}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    traced.needs_strace()
    folder = tmp_path / "files"
    folder.mkdir()
    for uid, body in SENT.items():
        (folder / uid).write_bytes(body)
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A data folder with an empty catalog."""
    data = tmp_path / "empty"
    data.mkdir()
    SqlCatalog(Database(f"sqlite:///{data / 'catalog.sqlite'}")).close()
    FolderStore(data / "objects")
    return data


@pytest.mark.parametrize(
    ("calls", "stride"),
    [
        ("mkdir,mkdirat", 1),
        ("link,linkat", 1),
        ("fsync", 2),
        ("fdatasync", 1),
        ("pwrite64", 29),
        ("unlink,unlinkat", 1),
        ("write", 1),
    ],
)
@pytest.mark.timeout(600)
def test_a_kill_at_any_step_loses_nothing_acknowledged(
    tmp_path: Path, files: Path, empty: Path, calls: str, stride: int
) -> None:
    for step in itertools.count(1, stride):
        data = shutil.copytree(empty, tmp_path / f"data-{step}")
        kill = ("-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL:when={step}")
        killed = traced.child(data, files, "-o", "/dev/null", *kill)
        check(data, killed.stdout)
        if killed.returncode == 0:
            assert step > 1
            return
        if step % 4 == 1:
            again = traced.child(data, files, "-o", "/dev/null", "-e", "trace=none")
            assert again.stdout.count("ACK") == len(SENT), again.stderr
            check(data, again.stdout)
        shutil.rmtree(data)


def check(data: Path, told: str) -> None:
    acknowledged = {line.split()[1] for line in told.splitlines() if line.startswith("ACK")}
    catalog = SqlCatalog(Database(f"sqlite:///{data / 'catalog.sqlite'}"))
    held = {version.key.instance: version for version in versions(catalog)}
    assert acknowledged <= held.keys()
    for uid, version in held.items():
        assert (data / "objects" / version.object_key).read_bytes() == SENT[uid]
    assert catalog.progress.totals()["instances"] == len(held)
    catalog.close()


def versions(catalog: SqlCatalog) -> list[Version]:
    try:
        return catalog.holdings.versions(StudyKey(STUDY))
    except NotFound:
        return []
