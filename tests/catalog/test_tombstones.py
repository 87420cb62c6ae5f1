"""What was deleted here stays away when a source sends or lists it, and comes back when somebody sends it (E-02)."""

from __future__ import annotations

import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.errors import Gone
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from tests.catalog.making import FETCHED, PUSHED, derived, new

STUDY = StudyKey("1.2.1")
FIRST, SECOND = SeriesKey("1.2.1", "1.2.1.1"), SeriesKey("1.2.1", "1.2.1.2")
KEYS = [InstanceKey(series.study, series.series, f"{series.series}.{n}") for series in (FIRST, SECOND) for n in (1, 2)]
MADE = {key: derived(key.study, key.series, key.instance) for key in KEYS}

scopes = pytest.mark.parametrize(
    ("scope", "doomed"), [(STUDY, KEYS), (FIRST, KEYS[:2]), (KEYS[0], KEYS[:1])], ids=["study", "series", "instance"]
)


def announce(catalog: SqlCatalog) -> None:
    found = []
    for series in (FIRST, SECOND):
        listed = [MADE[key].metadata for key in KEYS if key.of_series == series]
        found.append(AnnouncedSeries(series, listed[0], listed))
    catalog.pulling.announce(STUDY, "pacs", MADE[KEYS[0]].metadata, found)


def announced(catalog: SqlCatalog) -> set[InstanceKey]:
    return {each.key for each in catalog.pulling.missing(STUDY)}


@scopes
def test_what_its_source_is_just_sending_stays_deleted(
    catalog: SqlCatalog, scope: Scope, doomed: list[InstanceKey]
) -> None:
    announce(catalog)
    catalog.holdings.delete(scope, reason="test")
    written = catalog.holdings.store([new(MADE[key], origin=FETCHED) for key in KEYS])
    assert [key for key, done in zip(KEYS, written, strict=True) if not done] == doomed
    with pytest.raises(Gone):
        catalog.holdings.version(doomed[0])


@scopes
def test_its_source_lists_it_in_vain(catalog: SqlCatalog, scope: Scope, doomed: list[InstanceKey]) -> None:
    announce(catalog)
    catalog.holdings.delete(scope, reason="test")
    if scope == STUDY:
        with pytest.raises(Gone):
            announce(catalog)
    else:
        announce(catalog)
    assert announced(catalog) == set(KEYS) - set(doomed)
    assert catalog.pulling.deleted(KEYS) == set(doomed)


@scopes
def test_whoever_sends_an_instance_brings_it_back_alone(
    catalog: SqlCatalog, scope: Scope, doomed: list[InstanceKey]
) -> None:
    announce(catalog)
    catalog.holdings.delete(scope, reason="test")
    assert catalog.holdings.store([new(MADE[doomed[0]], origin=PUSHED)]) == [True]
    assert doomed[0] not in catalog.pulling.deleted(KEYS)
    announce(catalog)
    assert not announced(catalog) & set(doomed)


@scopes
def test_what_is_forgotten_comes_as_if_it_were_new(
    catalog: SqlCatalog, scope: Scope, doomed: list[InstanceKey]
) -> None:
    announce(catalog)
    catalog.holdings.delete(scope, reason="test")
    assert catalog.pulling.revive(STUDY)
    assert not catalog.pulling.revive(STUDY)
    announce(catalog)
    assert announced(catalog) == set(KEYS) >= set(doomed)


def test_what_lies_in_what_was_deleted_was_too(catalog: SqlCatalog) -> None:
    announce(catalog)
    catalog.holdings.delete(FIRST, reason="test")
    below = InstanceKey(FIRST.study, FIRST.series, "9")
    assert catalog.pulling.deleted([STUDY, FIRST, SECOND, below]) == {FIRST, below}
