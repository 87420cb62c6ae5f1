"""The order of writes, seen from outside: what is answered was on the disk before (S-17, D-13)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ingest import traced
from tests.ingest.files import SERIES, STUDY, part10

CALLS = "openat,link,linkat,mkdir,mkdirat,fsync,fdatasync,pwrite64,write"
OBJECT = rf"instances/{STUDY}/{SERIES}/1.2.9.1-[0-9a-f]+.dcm"


@pytest.fixture
def calls(tmp_path: Path) -> list[str]:
    """What the child asked of the system, one call a line, with the files behind descriptors named."""
    traced.needs_strace()
    files, data, log = tmp_path / "files", tmp_path / "data", tmp_path / "log"
    files.mkdir()
    data.mkdir()
    (files / "one").write_bytes(part10("1.2.9.1"))
    done = traced.child(data, files, "-y", "-s", "256", "-o", str(log), "-e", f"trace={CALLS}")
    assert done.stdout == "ACK 1.2.9.1 stored\n", done.stderr
    return log.read_text().replace(str(data), "").splitlines()


def at(calls: list[str], pattern: str, after: int = -1) -> int:
    """The place of the first call after ``after`` that ``pattern`` is found in."""
    found = [place for place, call in enumerate(calls) if place > after and re.search(pattern, call)]
    assert found, f"no call like {pattern} after place {after}"
    return found[0]


def test_the_answer_comes_after_everything_is_synced(calls: list[str]) -> None:
    linked = at(calls, rf"link(at)?\(.*/objects/{OBJECT}")
    file_synced = at(calls, rf"fsync\(\d+</objects/{OBJECT}>", linked)
    folders = [
        at(calls, rf"fsync\(\d+</objects{folder}>", file_synced)
        for folder in (f"/instances/{STUDY}/{SERIES}", f"/instances/{STUDY}", "/instances", "")
    ]
    row_written = at(calls, r"pwrite64\(\d+</catalog.sqlite-wal>", max(folders))
    row_synced = at(calls, r"f(data)?sync\(\d+</catalog.sqlite-wal>", row_written)
    answered = at(calls, r"write\(1<.*ACK 1.2.9.1")
    assert folders == sorted(folders)
    assert row_synced < answered


def test_no_row_speaks_of_an_object_that_is_not_synced_yet(calls: list[str]) -> None:
    linked = at(calls, rf"link(at)?\(.*/objects/{OBJECT}")
    folders_synced = at(calls, r"fsync\(\d+</objects>", at(calls, rf"fsync\(\d+</objects/{OBJECT}>", linked))
    assert not [call for call in calls[linked:folders_synced] if "catalog.sqlite-wal" in call]


def test_nothing_is_written_to_the_catalog_between_its_sync_and_the_answer(calls: list[str]) -> None:
    folders_synced = at(calls, r"fsync\(\d+</objects>", at(calls, r"link(at)?\("))
    row_synced = at(calls, r"f(data)?sync\(\d+</catalog.sqlite-wal>", folders_synced)
    answered = at(calls, r"write\(1<.*ACK 1.2.9.1")
    assert not [call for call in calls[row_synced:answered] if "pwrite64" in call and "catalog.sqlite" in call]
