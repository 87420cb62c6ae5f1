"""What may leave the cache, in which order, and what is left of it."""

from __future__ import annotations

import orjson

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.ids import SeriesKey, StudyKey
from dicomweb_server.model.query import Level, Query
from dicomweb_server.model.states import State
from tests.catalog.making import FETCHED, PUSHED, derived, new

STUDY = "1.2.1"
LONG_AGO = 0.0


def pulled(catalog: SqlCatalog, series: str, count: int) -> SeriesKey:
    """A series that a source announced and sent."""
    key = SeriesKey(STUDY, series)
    made = [derived(STUDY, series, f"{series}.{n}") for n in range(1, count + 1)]
    listed = [each.metadata for each in made]
    catalog.pulling.announce(StudyKey(STUDY), "pacs", made[0].metadata, [AnnouncedSeries(key, listed[0], listed)])
    assert all(catalog.holdings.store([new(each, origin=FETCHED) for each in made]))
    return key


def availability(catalog: SqlCatalog) -> str:
    (match,) = catalog.search.find(Query(Level.STUDY)).matches
    return str(orjson.loads(match)["00080056"]["Value"][0])


def test_what_leaves_is_announced_again_and_named(catalog: SqlCatalog) -> None:
    key = pulled(catalog, "1.2.1.1", 3)
    objects = [version.object_key for version in catalog.holdings.versions(key)]
    assert availability(catalog) == "ONLINE"
    assert sorted(catalog.caching.evict(key)) == sorted(objects)
    assert [each.state for each in catalog.pulling.missing(key)] == [State.ANNOUNCED] * 3
    assert catalog.holdings.series_progress(key).counts == {State.ANNOUNCED: 3}
    assert availability(catalog) == "NEARLINE"


def test_what_left_can_come_back(catalog: SqlCatalog) -> None:
    key = pulled(catalog, "1.2.1.1", 2)
    catalog.caching.evict(key)
    assert pulled(catalog, "1.2.1.1", 2) == key
    assert len(catalog.holdings.versions(key)) == 2
    assert availability(catalog) == "ONLINE"


def test_readers_learn_of_it(catalog: SqlCatalog) -> None:
    key = pulled(catalog, "1.2.1.1", 2)
    before = catalog.changes.last()
    catalog.caching.evict(key)
    assert {scope for _, scope in catalog.changes.since(before)} == {each.key for each in catalog.pulling.missing(key)}


def test_what_was_pushed_stays(catalog: SqlCatalog) -> None:
    catalog.holdings.store([new(derived(STUDY, "1.2.1.1", "1.2.1.1.1"), origin=PUSHED)])
    assert catalog.caching.evict(StudyKey(STUDY)) == []
    assert catalog.caching.size() == 0
    assert availability(catalog) == "ONLINE"


def test_what_no_source_announced_stays(catalog: SqlCatalog) -> None:
    catalog.holdings.store([new(derived(STUDY, "1.2.1.1", "1.2.1.1.1"), origin=FETCHED)])
    assert catalog.caching.evict(StudyKey(STUDY)) == []


def test_what_is_pinned_stays_until_it_is_no_longer(catalog: SqlCatalog) -> None:
    key = pulled(catalog, "1.2.1.1", 2)
    assert catalog.caching.pin(key, pinned=True) == 2
    assert catalog.caching.evict(key) == []
    catalog.caching.pin(key, pinned=False)
    assert len(catalog.caching.evict(key)) == 2


def test_the_longest_unviewed_comes_first(catalog: SqlCatalog) -> None:
    first, second = pulled(catalog, "1.2.1.1", 2), pulled(catalog, "1.2.1.2", 1)
    assert catalog.caching.size() == 3000
    catalog.caching.viewed([first])
    found = catalog.caching.oldest(unused_since=9e12)
    assert [(each.key, each.size) for each in found] == [(second, 1000), (first, 2000)]
    assert catalog.caching.oldest(unused_since=LONG_AGO) == []


def test_what_left_and_came_back_is_used_as_of_its_coming(catalog: SqlCatalog) -> None:
    first, second = pulled(catalog, "1.2.1.1", 2), pulled(catalog, "1.2.1.2", 1)
    catalog.caching.viewed([first, second])
    catalog.caching.evict(first)
    pulled(catalog, "1.2.1.1", 2)
    assert [each.key for each in catalog.caching.oldest(unused_since=9e12)] == [second, first]


def test_one_instance_may_leave_alone(catalog: SqlCatalog) -> None:
    key = pulled(catalog, "1.2.1.1", 3)
    one = catalog.holdings.versions(key)[1].key
    assert len(catalog.caching.evict(one)) == 1
    assert [each.key for each in catalog.pulling.missing(key)] == [one]
