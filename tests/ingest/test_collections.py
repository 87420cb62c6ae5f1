"""Describing collections when sources fail: tried again later, and given up by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb_server.catalog.collecting import SqlCollections
from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.ingest.collections import Describe, phase_of
from dicomweb_server.model.collections import Action, Collection, Member, Phase, StudyCounts
from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.ids import StudyKey
from dicomweb_server.model.manifest import Manifest
from dicomweb_server.model.states import State
from dicomweb_server.signals.memory import MemorySignals


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(tmp_path: Path, clock: Clock) -> Iterator[SqlCatalog]:
    opened = open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    opened.collections = SqlCollections(opened.database, now=clock)
    yield opened
    opened.close()


def describing(catalog: SqlCatalog, error: Exception) -> Describe:
    def collect(key: StudyKey) -> str:
        raise error

    def manifest(wanted: Collection) -> Manifest:
        raise error

    return Describe(catalog, [], collect, manifest, lambda key: 0, MemorySignals(), attempts=3)


def ask(catalog: SqlCatalog, **request: object) -> None:
    catalog.collections.create(Collection("one", Action.STORE, Phase.REQUESTED, request, 1000.0))


@pytest.mark.parametrize("request_", [{"studies": ["1.2"]}, {"manifest_url": "https://images.example/m.json"}])
def test_a_source_that_cannot_be_reached_is_asked_again_some_times(
    catalog: SqlCatalog, clock: Clock, request_: dict[str, object]
) -> None:
    describe = describing(catalog, BackendFailed("archive cannot be reached", passing=True))
    ask(catalog, **request_)
    moments = []
    while catalog.collections.get("one").phase is Phase.REQUESTED:
        if describe():
            moments.append(clock.now)
        clock.now += 1
    assert moments == [1000.0, 1002.0, 1006.0]
    assert catalog.collections.get("one").reason == "archive cannot be reached"


def test_what_is_not_there_is_not_asked_for_again(catalog: SqlCatalog) -> None:
    ask(catalog, studies=["1.2"])
    assert describing(catalog, NotFound("no source knows study 1.2"))() == 1
    found = catalog.collections.get("one")
    assert (found.phase, found.attempts, found.reason) == (Phase.FAILED, 1, "no source knows study 1.2")


def test_one_that_ends_every_worker_is_given_up(catalog: SqlCatalog, clock: Clock) -> None:
    ask(catalog, studies=["1.2"])
    for _ in range(3):
        assert catalog.collections.claim(seconds=300) is not None
        clock.now += 301
    describing(catalog, AssertionError())()
    assert catalog.collections.get("one").reason.startswith("given up after 3 attempts")


@pytest.mark.parametrize(
    ("counts", "phase"),
    [
        ({}, Phase.READY),
        ({State.READY: 2}, Phase.READY),
        ({State.READY: 2, State.FAILED: 1}, Phase.READY),
        ({State.FAILED: 1}, Phase.FAILED),
        ({State.READY: 2, State.STORED: 1}, None),
        ({State.READY: 2, State.QUEUED: 1}, None),
        ({State.FETCHING: 1, State.FAILED: 1}, None),
        ({State.ANNOUNCED: 1}, None),
    ],
)
def test_it_ends_when_nothing_is_on_its_way(counts: dict[State, int], phase: Phase | None) -> None:
    assert phase_of([StudyCounts(Member("1.2"), 1, counts)]) is phase
