from __future__ import annotations

import os
import zipfile
from importlib.resources import files as files_of
from pathlib import Path

import pytest
from pydicom import dcmread

from dicomweb_server.ingest.finding import ArchiveLimits
from dicomweb_server.ingest.importer import Import, Progress
from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.samples.head import head, write_head
from dicomweb_server.samples.shipped import shipped
from tests.ingest.conftest import House
from tests.ingest.files import part10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "disc" / "deep").mkdir(parents=True)
    return tmp_path / "in"


def run(house: House, *paths: Path, limits: ArchiveLimits | None = None) -> tuple[Progress, dict[str, str]]:
    """The last progress, and the reasons by file name."""
    importing = Import(house.receive, paths, limits=limits or ArchiveLimits())
    last = list(importing)[-1]
    return last, {one.name.rpartition("/")[2]: one.reason for one in importing.unfit}


def test_everything_below_is_imported_whatever_its_name(house: House, folder: Path) -> None:
    (folder / "IM0001").write_bytes(part10("1.2.9.1"))
    (folder / "disc" / "picture of a cat.jpg").write_bytes(part10("1.2.9.2"))
    (folder / "disc" / "deep" / "x").write_bytes(part10("1.2.9.3")[132:])
    last, unfit = run(house, folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert last == Progress(found=3, done=3, size=size, stored=3, searched=True)
    assert unfit == {}
    assert house.leftovers() == []


def test_what_is_no_instance_is_told_apart_from_what_is_broken(house: House, folder: Path) -> None:
    (folder / "README.txt").write_text("Please insert disc two")
    (folder / "empty").touch()
    (folder / "broken.dcm").write_bytes(part10()[:200])
    os.mkfifo(folder / "pipe")
    last, unfit = run(house, folder)
    assert (last.foreign, last.refused, last.stored) == (3, 1, 0)
    assert {name: unfit[name] for name in ("README.txt", "empty", "pipe")} == {
        "README.txt": "no DICOM file",
        "empty": "empty",
        "pipe": "not a regular file",
    }
    assert "broken.dcm" in unfit


def test_a_dicomdir_is_passed_over_and_what_lies_beside_it_is_not(house: House) -> None:
    tiny = Path(str(files_of("pydicom"))) / "data" / "test_files" / "dicomdirtests" / "TINY_ALPHA"
    last, unfit = run(house, tiny)
    assert unfit["DICOMDIR"] == "a DICOMDIR"
    assert (last.stored, last.refused) == (50, 0)


def test_running_it_again_changes_nothing(house: House, folder: Path) -> None:
    for number in range(30):
        (folder / str(number)).write_bytes(part10(f"1.2.9.{number}"))
    run(house, folder)
    before = house.objects()
    last, _ = run(house, folder)
    assert (last.stored, last.same) == (0, 30)
    assert house.objects() == before


def test_the_source_is_not_touched(house: House, folder: Path) -> None:
    source = folder / "a"
    source.write_bytes(part10(preamble=b"x" * 128))
    source.chmod(0o400)
    run(house, folder)
    assert source.read_bytes() == part10(preamble=b"x" * 128)
    assert source.stat().st_nlink == 1


def test_an_archive_is_unfolded(house: House, folder: Path) -> None:
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/passwd", part10("1.2.9.1"))
        archive.writestr("/abs/IM1", part10("1.2.9.2"))
        archive.writestr("notes.txt", "hello, this is no image")
        archive.writestr("inner.zip", b"PK\x03\x04" + bytes(30))
    last, unfit = run(house, folder / "study.zip")
    assert last.stored == 2
    assert unfit["study.zip!notes.txt"] == "no DICOM file"
    assert unfit["study.zip!inner.zip"] == "an archive within an archive"


@pytest.mark.parametrize(
    "limits", [ArchiveLimits(free=0, ratio=2), ArchiveLimits(entry=1 << 20)], ids=["ratio", "entry"]
)
def test_an_archive_that_unfolds_without_measure_is_cut_short(
    house: House, folder: Path, limits: ArchiveLimits
) -> None:
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", part10() + bytes(4 << 20))
    last, unfit = run(house, folder, limits=limits)
    assert (last.stored, last.refused) == (0, 1)
    assert unfit["bomb.zip!a"] == "the archive unfolds to more than is allowed"
    assert house.leftovers() == []


def test_a_damaged_archive_costs_itself_only(house: House, folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one", part10("1.2.9.1"))
    whole = (folder / "a.zip").read_bytes()
    (folder / "b.zip").write_bytes(whole[: len(whole) // 2])
    (folder / "c.zip").write_bytes(whole[:60] + b"\xff" * 60 + whole[120:])
    last, _ = run(house, folder)
    assert (last.stored, last.refused) == (1, 2)
    assert house.leftovers() == []


def test_a_full_disk_stops_the_import(house: House, folder: Path) -> None:
    (folder / "a").write_bytes(part10())
    house.holdings.failures.append(OutOfResources("the disk is full"))
    with pytest.raises(OutOfResources):
        run(house, folder)
    assert house.holdings.rows == {}


def test_progress_only_grows(house: House, folder: Path) -> None:
    for number in range(10):
        (folder / str(number)).write_bytes(part10(f"1.2.9.{number}"))
    steps = list(Import(house.receive, [folder]))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert [step.searched for step in steps] == sorted(step.searched for step in steps)
    assert steps[-1].done == steps[-1].found == 10


def test_the_samples_are_all_fit_to_be_imported(house: House) -> None:
    last, unfit = run(house, *shipped())
    assert (last.refused, last.kept_first) == (0, 0), unfit
    assert last.stored == last.found > 40


def test_whoever_opens_a_sample_sees_something(tmp_path: Path) -> None:
    write_head(tmp_path)
    files = [file for path in (tmp_path, *shipped()) for file in ([path] if path.is_file() else path.rglob("*"))]
    read = [dcmread(file, force=True) for file in files if file.is_file()]
    pictured = {each.StudyInstanceUID for each in read if "PixelData" in each}
    texts = {each.StudyInstanceUID for each in read if each.Modality in {"SR", "ECG"}}
    assert {each.StudyInstanceUID for each in read} == pictured | texts
    assert all("PixelData" in each for each in read if each.StudyInstanceUID in pictured)


def test_the_newest_sample_is_a_head_of_three_series() -> None:
    series: dict[str, list[float]] = {}
    for each in head():
        series.setdefault(each.SeriesDescription, []).append(each.ImagePositionPatient[2])
    assert {name: len(places) for name, places in series.items()} == {
        "CT axial": 80,
        "MR T2 axial": 40,
        "MR T1 axial": 40,
    }
    assert all(places == sorted(set(places)) for places in series.values())
