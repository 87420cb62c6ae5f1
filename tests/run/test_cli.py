from __future__ import annotations

import contextlib
import json
import sqlite3
import tomllib
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.cli.bar import closing, drawn
from dicomweb_server.ingest.finding import Unfit
from dicomweb_server.ingest.importer import Progress
from tests.corpus import path
from tests.journeys.server import cli

CT = path("generated/ts/ct_evle.dcm")


def test_config_prints_a_settings_file_with_origins(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[dimse]\naet = "SITE"\n')
    done = cli("config", "--config", file, "--set", "http.workers=3", "--data", tmp_path)
    document = tomllib.loads(done.stdout)
    assert (document["dimse"]["aet"], document["http"]["workers"]) == ("SITE", 3)
    assert f'aet = "SITE"  # {file}' in done.stdout
    assert "workers = 3  # flag" in done.stdout
    assert 'level = "info"  # default' in done.stdout


def test_config_keeps_passwords_to_itself() -> None:
    done = cli("config", "--set", "storage.catalog=postgresql://images:secret@db.example/images")
    assert "postgresql://images:***@db.example/images" in done.stdout
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["serve", "--set", "http.worker=2"], "did you mean 'http.workers'"),
        (["serve", "--set", "http.workers"], "--set takes KEY=VALUE"),
        (["serve", "--http", "8080"], "http.listen must be HOST:PORT"),
        (["serve", "--set", "dimse.calling_aets=PACS@nowhere"], "not an address or network: 'nowhere'"),
        (["config", "--config", "nowhere.toml"], "nowhere.toml"),
        (["import"], "--sample"),
        (["import", "nowhere"], "there is no nowhere"),
        (["status", "--data", "nowhere"], "there is no folder"),
        (["status", "a.b", "--data", "."], "Study Instance UID"),
        (["fly"], "fly"),
        ([], "COMMAND"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what(words: list[str], named: str) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert named in done.stderr


def test_an_import_reports_what_came_in_and_what_did_not(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"\2\0\0\0nothing to read")
    text = tmp_path / "readme.txt"
    text.write_text("no image")
    done = cli("import", "--data", tmp_path / "data", CT, broken, text)
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert {key: last[key] for key in ("event", "stored", "refused", "foreign")} == {
        "event": "done",
        "stored": 1,
        "refused": 1,
        "foreign": 1,
    }
    assert {(line["event"], line["file"]) for line in lines} == {("refused", str(broken)), ("ignored", str(text))}
    assert all(line["reason"] for line in lines)


def test_the_samples_come_in_whole_and_status_counts_them(tmp_path: Path) -> None:
    done = cli("import", "--sample", "--data", tmp_path / "data")
    report = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, report["refused"]) == (0, 0)
    status = json.loads(cli("status", "--data", tmp_path / "data").stdout)
    assert status["holds"]["instances"] == report["stored"] > 150


def test_status_tells_of_one_study_and_of_what_failed(tmp_path: Path) -> None:
    file = pydicom.dcmread(CT, stop_before_pixels=True)
    names = [file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID]
    assert cli("import", "--data", tmp_path, CT).returncode == 0
    told = [json.loads(cli("status", *names[: n + 1], "--data", tmp_path).stdout) for n in range(3)]
    assert [each["state"] for each in told] == ["stored"] * 3
    assert told[0]["series"][0]["series"] == names[1]
    assert told[1]["instances"][0]["instance"] == names[2]
    assert told[2]["attempts"] == 0
    assert (
        cli("status", "--failed", "--data", tmp_path).returncode,
        cli("status", "1.9", "--data", tmp_path).returncode,
    ) == (0, 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("UPDATE instance SET state = 9, reason = 'no pixels', attempts = 5")
    listed = cli("status", "--failed", "--data", tmp_path)
    (failed,) = map(json.loads, listed.stdout.splitlines())
    assert (failed["instance"], failed["reason"], failed["attempts"]) == (names[2], "no pixels", 5)
    assert listed.returncode == 1


def test_the_bar_tells_rate_and_remaining_time() -> None:
    halfway = Progress(found=200, done=100, size=50_000_000, stored=99, refused=1, searched=True)
    line = drawn(halfway, 10.0, 120)
    assert line.startswith("[####################....................] 100/200")
    assert "10 files/s, 5 MB/s, 10 s left, 1 refused" in line


@pytest.mark.parametrize("width", [10, 40, 80])
def test_the_bar_stays_in_its_line(width: int) -> None:
    assert len(drawn(Progress(found=2_000_000, done=1_000_000, searched=True), 3600.0, width)) <= width


def test_refused_files_are_listed_up_to_a_point() -> None:
    unfit = [Unfit(f"f{n}", "no UID", foreign=False) for n in range(60)]
    report = closing(Progress(found=60, done=60, refused=60), unfit, 1.0)
    assert "refused: f49: no UID" in report
    assert report.endswith("... and 10 more")
