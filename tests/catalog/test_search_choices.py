"""Where a site may choose how a search is answered, and what is found by being here or not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.ids import SeriesKey, StudyKey
from dicomweb_server.model.query import DateTimeRange, Key, Level, Match, Query
from tests.catalog.making import derived, key, name, new, text

NAME, ID, DATE, TIME, SEX = 0x00100010, 0x00100020, 0x00080020, 0x00080030, 0x00100040
NUMBER, AVAILABILITY, CREATOR, PRIVATE = 0x00200011, 0x00080056, 0x00230010, 0x00231001
FULL, EMPTY = "1.2.1", "1.2.2"


@pytest.fixture
def studies(catalog: SqlCatalog) -> SqlCatalog:
    """One study with every required attribute, one with none of them."""
    unknown: dict[str, Any] = {
        "x00080020": text("DA"),
        "x00080030": text("TM"),
        "x00080050": text("SH"),
        "x00100010": text("PN"),
        "x00100020": text("LO"),
        "x00100040": text("CS"),
        "x00200011": text("IS"),
    }
    known: dict[str, Any] = {"x00100010": name("Li^Na"), "x00100020": text("LO", "A1"), "x00100040": text("CS", "F")}
    catalog.holdings.store(
        [new(derived(FULL, "1.2.1.1", "1.2.1.1.1", **known)), new(derived(EMPTY, "1.2.2.1", "1.2.2.1.1", **unknown))]
    )
    return catalog


def found(catalog: SqlCatalog, query: Query) -> set[str]:
    return {json.loads(match)["0020000D"]["Value"][0] for match in catalog.search.find(query).matches}


@pytest.mark.parametrize(
    "asked",
    [
        key(NAME, "PN", Match.SINGLE, "Li^Na"),
        key(NAME, "PN", Match.WILDCARD, "*li^n*"),
        key(NAME, "PN", Match.FUZZY, "Na Li"),
        key(ID, "LO", Match.SINGLE, "A1"),
        key(ID, "LO", Match.WILDCARD, "A*"),
        key(DATE, "DA", Match.SINGLE, "20200102"),
        key(DATE, "DA", Match.RANGE, "20200101", "20200103"),
        key(TIME, "TM", Match.RANGE, "10", "11"),
    ],
)
def test_an_empty_required_attribute_matches_anything_by_setting_only(studies: SqlCatalog, asked: Key) -> None:
    """Q-07: by the letter it is unknown, and unknown matches (PS3.4 C.2.2.1.2)."""
    assert found(studies, Query(Level.STUDY, keys=(asked,))) == {FULL}
    assert found(studies, Query(Level.STUDY, keys=(asked,), empty_matches_any=True)) == {FULL, EMPTY}


def test_so_it_is_for_intervals_and_series_but_not_for_what_is_not_required(studies: SqlCatalog) -> None:
    interval = DateTimeRange(DATE, TIME, "20200102100000.000000", "20200102110000.999999")
    assert found(studies, Query(Level.STUDY, intervals=(interval,))) == {FULL}
    assert found(studies, Query(Level.STUDY, intervals=(interval,), empty_matches_any=True)) == {FULL, EMPTY}
    number = key(NUMBER, "IS", Match.SINGLE, "1")
    assert found(studies, Query(Level.SERIES, keys=(number,), relational=True)) == {FULL}
    everything = Query(Level.SERIES, keys=(number,), relational=True, empty_matches_any=True)
    assert found(studies, everything) == {FULL, EMPTY}
    sex = key(SEX, "CS", Match.SINGLE, "F")
    assert found(studies, Query(Level.STUDY, keys=(sex,), empty_matches_any=True)) == {FULL}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("match", "value", "expected"),
    [
        (Match.SINGLE, "ONLINE", {FULL, EMPTY}),
        (Match.SINGLE, "NEARLINE", {"1.2.9"}),
        (Match.SINGLE, "OFFLINE", set()),
        (Match.WILDCARD, "*LINE", {FULL, EMPTY, "1.2.9"}),
        (Match.WILDCARD, "N*", {"1.2.9"}),
    ],
)
def test_what_is_here_is_told_apart_from_what_a_source_holds(
    studies: SqlCatalog, level: Level, match: Match, value: str, expected: set[str]
) -> None:
    """Instance Availability is a key like others (Q-03, Q-30)."""
    series = SeriesKey("1.2.9", "1.2.9.1")
    listed = [{"00080016": text("UI", "1.2.840.10008.5.1.4.1.1.2"), "00080018": text("UI", "1.2.9.1.1")}]
    studies.pulling.announce(StudyKey("1.2.9"), "pacs", {}, [AnnouncedSeries(series, {}, listed)])
    query = Query(level, keys=(key(AVAILABILITY, "CS", match, value),), relational=True)
    assert found(studies, query) == expected
    for each in studies.search.find(query).matches:
        words = {FULL: "ONLINE", EMPTY: "ONLINE", "1.2.9": "NEARLINE"}
        shown = json.loads(each)
        assert shown["00080056"]["Value"] == [words[shown["0020000D"]["Value"][0]]]


def test_a_private_field_comes_with_its_creator_from_whatever_block(catalog: SqlCatalog) -> None:
    """Q-29: asked for by creator, returned where it stands, with the creator element."""
    private: dict[str, Any] = {"x00230011": text("LO", "Acme"), "x00231101": text("LO", "kept")}
    catalog.holdings.store([new(derived(FULL, "1.2.1.1", "1.2.1.1.1", **private))])
    creator = key(CREATOR, "LO", Match.SINGLE, "Acme")
    query = Query(Level.INSTANCE, keys=(creator,), include=frozenset({(PRIVATE,)}), relational=True)
    (match,) = catalog.search.find(query).matches
    shown = json.loads(match)
    assert shown["00231101"]["Value"] == ["kept"]
    assert shown["00230011"]["Value"] == ["Acme"]
    assert "00231001" not in shown


@pytest.mark.parametrize("level", [Level.SERIES, Level.INSTANCE])
def test_nothing_is_found_below_an_unknown_study(studies: SqlCatalog, level: Level) -> None:
    """Q-19"""
    assert found(studies, Query(level, "1.2.404")) == set()
