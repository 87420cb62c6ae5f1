"""A study that only a source holds opens in OHIF: ``python -m tests.journeys.cold_open [--slices 300] [--size 512]``.

Prints, for each kind of source, the seconds until the first image is drawn and until the whole series is in the viewer.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.ohif import LOAD_MS, viewer
from tests.journeys.server import RunningServer
from tests.phantoms.collection import Shape, instances
from tests.ports import free_port
from tests.pulling.orthanc import orthanc
from tests.pulling.peers import in_front_of, pacs_table, web_table
from tests.sources.dcmqrscp import archive


@dataclass(frozen=True, slots=True)
class Phantom:
    files: list[Path]
    study: str
    series: str
    """The one that is shown first: the CT."""
    slices: int


@dataclass(frozen=True, slots=True)
class Opened:
    first_image: float
    """Seconds from the address typed to the first image drawn."""
    last_image: float
    """Seconds until every image of that series was in the viewer."""
    arrived: list[str]
    """The series of each instance that is here by then, in the order in which they came."""
    failed: list[str]
    """Requests of the viewer that failed."""


def phantom(folder: Path, shape: Shape) -> Phantom:
    folder.mkdir(parents=True)
    first = None
    for number, made in enumerate(instances(shape)):
        made.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)
        first = first or made
    assert first
    return Phantom(sorted(folder.iterdir()), first.StudyInstanceUID, first.SeriesInstanceUID, shape.slices)


@contextmanager
def by_c_get(folder: Path, held: Phantom) -> Iterator[RunningServer]:
    with archive(folder / "archive") as pacs:
        pacs.store(held.files)
        with in_front_of(folder / "front", pacs_table(pacs.port)) as server:
            yield server


@contextmanager
def by_c_move(folder: Path, held: Phantom) -> Iterator[RunningServer]:
    ours = free_port()
    with archive(folder / "archive", destinations={"JOURNEY": ours}) as pacs:
        pacs.store(held.files)
        table = pacs_table(pacs.port, "move", move_to="JOURNEY")
        with in_front_of(folder / "front", table, extra=("--dimse", f"127.0.0.1:{ours}")) as server:
            yield server


@contextmanager
def by_dicomweb(folder: Path, held: Phantom) -> Iterator[RunningServer]:
    with orthanc(folder / "orthanc", held.files) as url, in_front_of(folder / "front", web_table(url)) as server:
        yield server


Front = Callable[[Path, Phantom], AbstractContextManager[RunningServer]]
FRONTS: dict[str, Front] = {
    "dcmqrscp, C-GET": by_c_get,
    "dcmqrscp, C-MOVE": by_c_move,
    "Orthanc, DICOMweb": by_dicomweb,
}


def opened_in_ohif(server: RunningServer, held: Phantom) -> Opened:
    installed = server.cli("viewer", "install")
    assert installed.returncode == 0, installed.stderr
    with viewer(server.root) as ohif:
        ohif.list_studies()  # the program itself is in the browser's cache afterwards
        began = time.perf_counter()
        ohif.open(held.study)
        ohif.wait_until_drawn(held.series)
        first = time.perf_counter() - began
        until = time.monotonic() + LOAD_MS / 1000
        while len(frames := _frames(ohif.asked, held.series)) < held.slices:
            assert time.monotonic() < until, f"{len(frames)} of {held.slices} came, failed: {ohif.failed}"
            ohif.page.wait_for_timeout(100)
        last = time.perf_counter() - began
        return Opened(first, last, _arrived(server), ohif.failed)


def _frames(asked: list[str], series: str) -> set[str]:
    return {url for url in asked if f"/series/{series}/" in url and "/frames/" in url}


def _arrived(server: RunningServer) -> list[str]:
    with closing(sqlite3.connect(server.data / "catalog.sqlite")) as catalog:
        rows = catalog.execute(
            "SELECT series_uid FROM version v JOIN instance i ON i.id = v.instance_id "
            "JOIN series s ON s.id = i.series_id ORDER BY v.id"
        )
        return [uid for (uid,) in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.cold_open", description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        held = phantom(Path(name) / "phantom", Shape(slices=asked.slices, size=asked.size, visits=1))
        for number, (source, front) in enumerate(FRONTS.items()):
            with front(Path(name) / str(number), held) as server:
                opened = opened_in_ohif(server, held)
            before = len(opened.arrived) - opened.arrived[::-1].index(held.series) - held.slices
            print(
                f"{source:20} first image {opened.first_image:5.1f} s, last {opened.last_image:5.1f} s, "
                f"{before} images of other series before the last",
                flush=True,
            )


if __name__ == "__main__":
    main()
