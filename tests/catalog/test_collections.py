"""Collections are written down, claimed, ended and forgotten, and counted by the instances of their studies."""

from __future__ import annotations

import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.collecting import SqlCollections
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.collections import Action, Collection, Member, Phase
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.manifest import Location
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.states import State
from tests.catalog.making import derived, new

SERIES = SeriesKey("1.2", "1.2.1")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collections(catalog: SqlCatalog, clock: Clock) -> SqlCollections:
    return SqlCollections(catalog.database, now=clock)


def wanted(id: str, *, eager: bool = False) -> Collection:
    return Collection(id, Action.STORE, Phase.REQUESTED, {"studies": ["1.2"]}, 1000.0, eager=eager)


def test_one_at_a_time_is_claimed_and_again_when_its_time_is_over(collections: SqlCollections, clock: Clock) -> None:
    collections.create(wanted("submitted", eager=True))
    collections.create(wanted("asked"))
    names = []
    while (claimed := collections.claim(seconds=60)) is not None:
        names.append((claimed.id, claimed.attempts))
    assert names == [("asked", 1), ("submitted", 1)]
    clock.now += 61
    again = collections.claim(seconds=60)
    assert again is not None
    assert (again.id, again.attempts) == ("asked", 2)
    collections.later("asked", "the source is down", seconds=5)
    clock.now += 6
    assert collections.claim(seconds=60) is not None
    assert collections.get("asked").reason == "the source is down"


def test_it_ends_once_and_is_told_of_and_forgotten(collections: SqlCollections, clock: Clock) -> None:
    collections.create(wanted("one"), b"manifest")
    assert collections.document("one") == b"manifest"
    assert collections.described("one", [Member("1.3", "b", 2), Member("1.2", "a", 1)], tickets=[])
    assert [each.id for each in collections.loading()] == ["one"]
    assert collections.end("one", Phase.READY)
    assert not collections.end("one", Phase.FAILED)
    assert not collections.described("one", [])
    assert [each.id for each in collections.untold()] == ["one"]
    collections.told("one")
    assert collections.untold() == []
    assert [each.study for each in collections.get("one").members] == ["1.2", "1.3"]
    assert collections.again("one")
    assert collections.get("one").phase is Phase.REQUESTED
    collections.end("one", Phase.FAILED, reason="x" * 1000)
    assert collections.expire(before=clock.now) == 0
    assert collections.expire(before=clock.now + 1) == 1
    for ask in (collections.get, collections.document):
        with pytest.raises(NotFound):
            ask("one")
    assert not collections.forget("one")
    assert not collections.again("one")


def test_it_is_as_far_along_as_the_instances_of_its_studies(catalog: SqlCatalog, collections: SqlCollections) -> None:
    found = derived()
    catalog.holdings.store([new(found)])
    listed = [{"00080018": {"vr": "UI", "Value": [f"1.2.1.{n}"]}} for n in (1, 2)]
    lies = {"1.2.1.1": Location("https://images.example/1")}
    for url in ("https://images.example/1", "https://images.example/moved"):
        lies = {"1.2.1.1": Location(url)}
        announced = [AnnouncedSeries(SERIES, {}, listed, lies)]
        catalog.pulling.announce(StudyKey("1.2"), "manifests", {}, announced)
    catalog.pulling.want([Ticket(Kind.FETCH, InstanceKey("1.2", "1.2.1", "1.2.1.2"))])
    collections.create(wanted("one"))
    collections.described("one", [Member(found.key.study, "", 2), Member("1.2", "", 1), Member("1.9", "", 3)])
    counts = collections.counts("one")
    assert [(each.member.study, each.series, dict(each.counts)) for each in counts] == [
        ("1.2", 1, {State.ANNOUNCED: 1, State.QUEUED: 1}),
        (found.key.study, 1, {State.STORED: 1}),
        ("1.9", 0, {}),
    ]
    images = [(each.instance, each.state, each.here, each.frames) for each in collections.images(SERIES)]
    assert images == [("1.2.1.1", State.ANNOUNCED, False, None), ("1.2.1.2", State.QUEUED, False, None)]
    keys = [InstanceKey("1.2", "1.2.1", f"1.2.1.{n}") for n in (1, 2)]
    assert catalog.pulling.locations(keys) == {keys[0]: Location("https://images.example/moved")}
