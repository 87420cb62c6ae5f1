"""A source behind 5 Mbit/s and 200 ms, asked in the order in which OHIF asks: what must come before the first image."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.journeys.server import RunningServer
from tests.phantoms.collection import Shape, instances
from tests.pulling.orthanc import orthanc
from tests.pulling.peers import in_front_of, pacs_table, web_table
from tests.pulling.throttle import Line, slow_line
from tests.pulling.viewing import open_study
from tests.sources.dcmqrscp import archive

SLICES = 24
SIDE = 128


@dataclass(frozen=True)
class Study:
    files: list[Path]
    uid: str
    opened: str
    """The series that is looked at."""
    of_series: dict[str, int]
    """Bytes of each series."""
    image: int
    """Bytes of one image of the opened series."""

    @property
    def all(self) -> int:
        return sum(self.of_series.values())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One visit: a CT, an enhanced CT, three MR and an ultrasound."""
    folder = tmp_path_factory.mktemp("study")
    of_series: dict[str, int] = {}
    opened, image, uid = "", 0, ""
    for number, made in enumerate(instances(Shape(slices=SLICES, size=SIDE, visits=1))):
        file = folder / f"{number:04}.dcm"
        made.save_as(file, enforce_file_format=True)
        size = file.stat().st_size
        of_series[made.SeriesInstanceUID] = of_series.get(made.SeriesInstanceUID, 0) + size
        if not opened:
            opened, image, uid = made.SeriesInstanceUID, size, made.StudyInstanceUID
    return Study(sorted(folder.iterdir()), uid, opened, of_series, image)


@contextmanager
def slow(table: str, port: int, folder: Path) -> Iterator[tuple[RunningServer, Line]]:
    with slow_line(port) as line, in_front_of(folder, table.replace(str(port), str(line.port))) as server:
        yield server, line


def order_of_arrival(server: RunningServer) -> list[str]:
    """The series of each instance here, in the order in which they were stored."""
    with closing(sqlite3.connect(server.data / "catalog.sqlite")) as catalog:
        return [
            uid
            for (uid,) in catalog.execute(
                "SELECT series_uid FROM version v JOIN instance i ON i.id = v.instance_id "
                "JOIN series s ON s.id = i.series_id ORDER BY v.id"
            )
        ]


def others_before_the_last_of(opened: str, arrived: list[str]) -> dict[str, int]:
    last = len(arrived) - arrived[::-1].index(opened)
    counted: dict[str, int] = {}
    for uid in arrived[:last]:
        if uid != opened:
            counted[uid] = counted.get(uid, 0) + 1
    return counted


def test_from_a_dicomweb_source_the_first_image_needs_the_descriptions_and_itself(study: Study, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc", study.files) as url:
        port = urlsplit(url).port
        assert port
        with slow(web_table(url), port, tmp_path / "front") as (server, line):
            opening = open_study(server, study.uid, study.opened, came=lambda: line.down)
            arrived = order_of_arrival(server)
    first = opening.came_at_first_image
    assert first < opening.came_at_metadata + 6 * study.image, "no more than the images under way with it"
    assert first < study.all / 2
    early = others_before_the_last_of(study.opened, arrived)
    assert all(count <= 2 for count in early.values()), early


def test_from_a_pacs_the_first_image_needs_its_own_series_and_no_other(study: Study, tmp_path: Path) -> None:
    with archive(tmp_path / "archive") as pacs:
        pacs.store(study.files)
        with slow(pacs_table(pacs.port, "get"), pacs.port, tmp_path / "front") as (server, line):
            opening = open_study(server, study.uid, study.opened, came=lambda: line.down)
            arrived = order_of_arrival(server)
    others = len(study.of_series) - 1
    assert opening.came_at_first_image < study.of_series[study.opened] + (others + 4) * study.image + 200_000
    early = others_before_the_last_of(study.opened, arrived)
    assert all(count <= 2 for count in early.values()), early
