"""What is loaded before anybody asks, and what is noticed of a study that grew at its source."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pydicom
import pytest

from dicomweb_server.model.rules import Load, LoadRule, SeriesTraits, load_of
from tests.journeys.server import RunningServer, wait_for
from tests.phantoms.collection import Shape, instances
from tests.pulling.orthanc import orthanc, put
from tests.pulling.peers import in_front_of, web_table
from tests.pulling.test_opening import found, frame

CT = SeriesTraits("CT", "Thorax 1.0", 300)
PRIOR = SeriesTraits("CT", "Thorax 1.0", 300, position=2)
SCOUT = SeriesTraits("CT", "Scout", 2)


@pytest.mark.parametrize(
    ("rules", "series", "load"),
    [
        ([], CT, Load.NORMAL),
        ([LoadRule(Load.ASKED, modality="CT")], CT, Load.ASKED),
        ([LoadRule(Load.ASKED, modality="MR")], CT, Load.NORMAL),
        ([LoadRule(Load.FIRST, description="thorax*")], CT, Load.FIRST),
        ([LoadRule(Load.FIRST, description="thorax")], CT, Load.NORMAL),
        ([LoadRule(Load.ASKED, min_instances=100)], CT, Load.ASKED),
        ([LoadRule(Load.ASKED, min_instances=100)], SCOUT, Load.NORMAL),
        ([LoadRule(Load.ASKED, max_instances=10)], SCOUT, Load.ASKED),
        ([LoadRule(Load.FIRST, description="scout"), LoadRule(Load.ASKED, modality="CT")], SCOUT, Load.FIRST),
        ([LoadRule(Load.ASKED, modality="CT", max_instances=10)], CT, Load.NORMAL),
        ([LoadRule(Load.FIRST, newest=1)], CT, Load.FIRST),
        ([LoadRule(Load.FIRST, newest=1)], PRIOR, Load.NORMAL),
        ([LoadRule(Load.NORMAL, newest=2), LoadRule(Load.ASKED)], PRIOR, Load.NORMAL),
    ],
)
def test_the_first_rule_that_holds_decides(rules: list[LoadRule], series: SeriesTraits, load: Load) -> None:
    assert load_of(series, rules) is load


def made(folder: Path, *modalities: str, visits: int = 1) -> list[pydicom.FileDataset]:
    """A patient's series of these modalities, as files."""
    folder.mkdir()
    chosen = [each for each in instances(Shape(slices=4, size=32, visits=visits)) if each.Modality in modalities]
    for number, each in enumerate(chosen):
        each.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def held(server: RunningServer, study: str) -> dict[str, str]:
    with server.client() as client:
        listed = found(client, f"/studies/{study}/series")
    return {each["0020000E"]["Value"][0]: each["00080056"]["Value"][0] for each in listed}


def test_what_only_loads_when_asked_waits_while_the_rest_comes(tmp_path: Path) -> None:
    files = made(tmp_path / "made", "CT", "MR", "US")
    rule = 'load = "asked"\nmodality = "MR"\n'
    of_modality = {file.SeriesInstanceUID: file.Modality for file in files}
    paths = [Path(file.filename) for file in files]
    with (
        orthanc(tmp_path / "orthanc", paths) as url,
        in_front_of(tmp_path / "front", web_table(url) + f"\n[[rule]]\n{rule}") as server,
        server.client() as client,
    ):
        study = files[0].StudyInstanceUID
        first = next(file for file in files if file.Modality == "CT")
        frame(client, first)
        others = {series for series, modality in of_modality.items() if modality != "MR"}
        wait_for(lambda: {s for s, a in held(server, study).items() if a == "ONLINE"} == others, "the other series")
        wanted = next(file for file in files if file.Modality == "MR")
        assert frame(client, wanted) == wanted.PixelData
        wait_for(lambda: held(server, study)[wanted.SeriesInstanceUID] == "ONLINE", "the series asked for")


def test_a_study_that_grew_at_its_source_is_noticed(tmp_path: Path) -> None:
    files = made(tmp_path / "made", "CT", "US")
    early = [file for file in files if file.Modality == "CT"]
    late = [file for file in files if file.Modality == "US"]
    study = files[0].StudyInstanceUID
    with (
        orthanc(tmp_path / "orthanc", [Path(file.filename) for file in early]) as url,
        in_front_of(tmp_path / "front", web_table(url), extra=("--set", "cache.refresh_seconds=0.5")) as server,
        server.client() as client,
    ):
        assert frame(client, early[0]) == early[0].PixelData[: len(frame(client, early[0]))]
        assert late[0].SeriesInstanceUID not in held(server, study)
        put(url, [Path(file.filename) for file in late])
        wait_for(lambda: late[0].SeriesInstanceUID in held(server, study), "what is new")
        pixels = frame(client, late[0])
        assert pixels == late[0].PixelData[: len(pixels)]


def test_a_rule_may_hold_for_the_newest_study_of_the_patient(tmp_path: Path) -> None:
    """The second series of the newest study comes by itself; that of the study before it only when asked for."""
    files = made(tmp_path / "made", "CT", "US", visits=2)
    rules = '[[rule]]\nload = "normal"\nnewest = 1\n[[rule]]\nload = "asked"\n'
    older, newer = sorted({file.StudyInstanceUID: file for file in files}.values(), key=lambda file: file.StudyDate)
    other = {
        study: next(each for each in files if each.StudyInstanceUID == study and each.Modality == "US")
        for study in (older.StudyInstanceUID, newer.StudyInstanceUID)
    }
    with (
        orthanc(tmp_path / "orthanc", [Path(file.filename) for file in files]) as url,
        in_front_of(tmp_path / "front", web_table(url) + rules) as server,
        server.client() as client,
    ):
        for study in other:
            assert found(client, f"/studies/{study}/series")
        for study in other:
            frame(client, next(each for each in files if each.StudyInstanceUID == study and each.Modality == "CT"))
        unasked = other[newer.StudyInstanceUID].SeriesInstanceUID
        wait_for(lambda: held(server, newer.StudyInstanceUID)[unasked] == "ONLINE", "the newest study")
        wait_for(lambda: httpx.get(f"{server.root}/api/v1/queue").json()["leased"] == 0, "the queue")
        assert held(server, older.StudyInstanceUID)[other[older.StudyInstanceUID].SeriesInstanceUID] == "NEARLINE"


def remove(url: str, study: str) -> None:
    with httpx.Client(base_url=url.removesuffix("/dicom-web"), timeout=30) as client:
        (known,) = client.post("/tools/lookup", content=study).json()
        client.delete(known["Path"]).raise_for_status()


@pytest.mark.parametrize(("setting", "left"), [("keep", 200), ("remove", 404)])
def test_what_its_source_deleted_stays_or_goes_by_setting(tmp_path: Path, setting: str, left: int) -> None:
    files = made(tmp_path / "made", "US")
    study = files[0].StudyInstanceUID
    with (
        orthanc(tmp_path / "orthanc", [Path(file.filename) for file in files]) as url,
        in_front_of(
            tmp_path / "front",
            web_table(url) + f'deleted = "{setting}"\n',
            extra=("--set", "cache.refresh_seconds=0.5"),
        ) as server,
        server.client() as client,
    ):
        frame(client, files[0])
        wait_for(lambda: list(held(server, study).values()) == ["ONLINE"], "the series")
        remove(url, study)

        def status() -> int:
            return client.get(f"/studies/{study}/series/{files[0].SeriesInstanceUID}/metadata").status_code

        for _ in range(40):
            last = status()
            if last == left == 404:
                break
            time.sleep(0.05)
        assert last == left
        if setting == "remove":
            put(url, [Path(file.filename) for file in files])
            wait_for(lambda: status() == 200, "its return, once the source is asked again", seconds=30)
