"""Searches find what PS3.4 C.2.2.2 says, return what PS3.18 10.6 says, in a stable order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.query import DateTimeRange, Key, Level, Match, Page, Query
from dicomweb_server.model.states import State
from tests.catalog.making import derived, key, many, name, new, text

PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
STUDY_DATE, STUDY_TIME = 0x00080020, 0x00080030
DESCRIPTION = 0x00081030
MODALITIES = 0x00080061


@pytest.fixture
def studies(catalog: SqlCatalog) -> SqlCatalog:
    """Study 1.2.1 to 1.2.5, newest first; the last two without a date."""
    rows: list[dict[str, Any]] = [
        {
            "x00080020": text("DA", "20200503"),
            "x00080030": text("TM", "2230"),
            "x00100010": name("Müller^Anna Lena"),
            "x00100020": text("LO", "AB_1"),
            "x00081030": text("LO", "MR Knie [links]"),
            "x00080060": text("CS", "MR"),
            "x00100040": text("CS", "F"),
        },
        {
            "x00080020": text("DA", "20200502"),
            "x00080030": text("TM", "070000"),
            "x00100010": name("Yamada^Tarou", Ideographic="山田^太郎", Phonetic="やまだ^たろう"),
            "x00100020": text("LO", "AB%2"),
            "x00081030": text("LO", "CT Schädel"),
            "x00081032": {
                "vr": "SQ",
                "Value": [
                    {"00080100": text("SH", "A"), "00080102": text("SH", "X")},
                    {"00080100": text("SH", "B"), "00080102": text("SH", "Y")},
                ],
            },
        },
        {
            "x00080020": text("DA", "20200501"),
            "x00080030": text("TM", "120000.5"),
            "x00100010": name("O'Brien^Sean"),
            "x00100020": text("LO", "CD3"),
            "x00101030": text("DS", 70.5),
        },
        {"x00080020": None, "x00080030": None, "x00100010": text("PN"), "x00100020": text("LO", "cd4")},
        {"x00080020": text("DA"), "x00080030": text("TM"), "x00100010": name("Li^Na"), "x00100020": text("LO", "E5")},
    ]
    for n, row in enumerate(rows, 1):
        catalog.holdings.store(many(2, f"1.2.{n}", f"1.2.{n}.1", **row))
    return catalog


def find(catalog: SqlCatalog, *keys: Key, level: Level = Level.STUDY, **rest: Any) -> Page:
    return catalog.search.find(Query(level, keys=keys, **rest))


def values(page: Page, tag: str) -> list[Any]:
    return [json.loads(match)[tag].get("Value", [None])[0] for match in page.matches]


def numbers(catalog: SqlCatalog, *keys: Key, **rest: Any) -> str:
    """The last figures of the studies found."""
    return "".join(uid[-1] for uid in values(find(catalog, *keys, **rest), "0020000D"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (key(PATIENT_NAME, "PN", Match.UNIVERSAL), "12345"),
        (key(PATIENT_ID, "LO", Match.SINGLE, "CD3"), "3"),
        (key(PATIENT_ID, "LO", Match.SINGLE, "cd3"), ""),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "AB_*"), "1"),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "AB%*"), "2"),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "AB?1"), "1"),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "*3"), "3"),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "*D*"), "3"),
        (key(PATIENT_ID, "LO", Match.WILDCARD, "?"), ""),
        (key(DESCRIPTION, "LO", Match.WILDCARD, "*[links]*"), "1"),
        (key(DESCRIPTION, "LO", Match.WILDCARD, "*knie*"), ""),
        (key(DESCRIPTION, "LO", Match.WILDCARD, "*Sch?del"), "2"),
        (key(PATIENT_NAME, "PN", Match.SINGLE, "MULLER^ANNA LENA"), "1"),
        (key(PATIENT_NAME, "PN", Match.SINGLE, "müller^anna lena^"), "1"),
        (key(PATIENT_NAME, "PN", Match.SINGLE, "müller"), ""),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "mull*"), "1"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "*ANNA*"), "1"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "*'bri*"), "3"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "l*"), "5"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "*na"), "15"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, '*"*'), ""),
        (key(PATIENT_NAME, "PN", Match.SINGLE, "山田^太郎"), "2"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "山田*"), "2"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "*太*"), "2"),
        (key(PATIENT_NAME, "PN", Match.WILDCARD, "やまだ^*"), "2"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "lena mull"), "1"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "tar yam"), "2"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "ann tar"), ""),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "na"), "5"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "Anna Mueler"), "1"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "Shawn OBrian"), "3"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "TARO^Jamada"), "2"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "山田"), "2"),
        (key(PATIENT_NAME, "PN", Match.FUZZY, "."), "12345"),
        (key(PATIENT_NAME, "PN", Match.EMPTY), "4"),
        (key(0x0020000D, "UI", Match.LIST, "1.2.4", "1.2.2", "9.9"), "24"),
        (key(0x0020000D, "UI", Match.SINGLE, "1.2.4"), "4"),
        (key(STUDY_DATE, "DA", Match.SINGLE, "20200502"), "2"),
        (key(STUDY_DATE, "DA", Match.RANGE, "20200502", "20200601"), "12"),
        (key(STUDY_DATE, "DA", Match.RANGE, "", "20200502"), "23"),
        (key(STUDY_DATE, "DA", Match.RANGE, "20200503", ""), "1"),
        (key(STUDY_DATE, "DA", Match.EMPTY), "45"),
        (key(STUDY_TIME, "TM", Match.SINGLE, "223000"), "1"),
        (key(STUDY_TIME, "TM", Match.SINGLE, "12"), "3"),
        (key(STUDY_TIME, "TM", Match.RANGE, "07", "12"), "23"),
        (key(STUDY_TIME, "TM", Match.RANGE, "", "0700"), "2"),
        (key(MODALITIES, "CS", Match.SINGLE, "MR"), "1"),
        (key(MODALITIES, "CS", Match.LIST, "MR", "CT"), "12345"),
        (key(MODALITIES, "CS", Match.ALL, "MR", "CT"), ""),
        (key(MODALITIES, "CS", Match.SINGLE, "XA"), ""),
        (key(MODALITIES, "CS", Match.WILDCARD, "M*"), "1"),
        (key(0x00080060, "CS", Match.SINGLE, "MR"), "1"),
        (key(0x00080018, "UI", Match.SINGLE, "1.2.3.1.2"), "3"),
        (key(0x00101030, "DS", Match.SINGLE, "070.50"), "3"),
        (key((0x00081032, 0x00080100), "SH", Match.SINGLE, "A"), "2"),
        (key((0x00081032, 0x00080100), "SH", Match.WILDCARD, "?"), "2"),
        (key(0x00201208, "IS", Match.SINGLE, "2"), "12345"),
    ],
    ids=str,
)
def test_keys_match(studies: SqlCatalog, asked: Key, found: str) -> None:
    assert numbers(studies, asked) == found


def test_keys_of_one_sequence_match_within_one_item(studies: SqlCatalog) -> None:
    first = key((0x00081032, 0x00080100), "SH", Match.SINGLE, "A")
    assert numbers(studies, first, key((0x00081032, 0x00080102), "SH", Match.SINGLE, "X")) == "2"
    assert numbers(studies, first, key((0x00081032, 0x00080102), "SH", Match.SINGLE, "Y")) == ""


def test_several_keys_must_all_match(studies: SqlCatalog) -> None:
    sex = key(0x00100040, "CS", Match.SINGLE, "F")
    assert numbers(studies, sex, key(PATIENT_NAME, "PN", Match.WILDCARD, "*ANNA*")) == "1"
    assert numbers(studies, sex, key(PATIENT_NAME, "PN", Match.WILDCARD, "*yamada*")) == ""


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("20200501120000.600000", "20200503223000.000000", "12"),
        ("20200501120000.500000", "20200502070000.000000", "23"),
        (None, "20200502065959.999999", "3"),
        ("20200502070000.000001", None, "1"),
    ],
)
def test_date_and_time_form_one_interval(studies: SqlCatalog, first: str | None, last: str | None, found: str) -> None:
    assert numbers(studies, intervals=(DateTimeRange(STUDY_DATE, STUDY_TIME, first, last),)) == found


def test_an_attribute_of_a_lower_level_without_a_column_is_named_in_a_warning(studies: SqlCatalog) -> None:
    page = find(studies, key(0x00280010, "US", Match.SINGLE, "511"))
    assert len(page.matches) == 5
    assert "00280010" in page.warnings[0]


def test_instances_are_matched_by_what_only_their_metadata_has(studies: SqlCatalog) -> None:
    found = find(studies, key(0x00280010, "US", Match.SINGLE, "512"), level=Level.INSTANCE, study="1.2.3")
    assert values(found, "00080018") == ["1.2.3.1.1", "1.2.3.1.2"]
    assert values(found, "00280010") == [512, 512]


def test_private_attributes_are_found_by_their_creator_in_whatever_block(catalog: SqlCatalog) -> None:
    acme: dict[str, Any] = {
        "x00230011": text("LO", "Acme"),
        "x00231101": text("SH", "A1"),
        "x00230010": text("LO", "Other"),
    }
    catalog.holdings.store([new(derived("1.2.1", "1.2.1.1", "1.2.1.1.1", x00231001=text("SH", "B2"), **acme))])
    creator = key(0x00230010, "LO", Match.SINGLE, "Acme")
    page = find(catalog, creator, key(0x00231001, "SH", Match.SINGLE, "A1"), level=Level.INSTANCE)
    (found,) = map(json.loads, page.matches)
    assert found["00230011"]["Value"] == ["Acme"]
    assert found["00231101"]["Value"] == ["A1"]
    assert "00231001" not in found
    for name_of, value in (("Acme", "B2"), ("Nobody", "A1")):
        creator = key(0x00230010, "LO", Match.SINGLE, name_of)
        assert not find(catalog, creator, key(0x00231001, "SH", Match.SINGLE, value), level=Level.INSTANCE).matches


def test_the_newest_come_first_and_those_without_a_date_last(studies: SqlCatalog) -> None:
    assert numbers(studies) == "12345"


def test_pages_follow_each_other_and_say_how_many_remain(studies: SqlCatalog) -> None:
    pages = [find(studies, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [len(page.matches) for page in pages] == [2, 2, 1, 0]
    assert [page.remaining for page in pages] == [3, 1, 0, 0]


def test_pages_of_a_search_in_attributes_follow_each_other_too(studies: SqlCatalog) -> None:
    sequence = key((0x00081032, 0x00080100), "SH", Match.EMPTY)
    assert numbers(studies, sequence, limit=2) == "13"
    assert numbers(studies, sequence, limit=2, offset=2) == "45"


def test_a_study_has_its_required_attributes_even_when_empty(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1, x00080050=None, x00100010=None, x00081030=None, x00080090=None))
    (match,) = find(catalog).matches
    assert json.loads(match) == {
        "00080020": {"vr": "DA", "Value": ["20200102"]},
        "00080030": {"vr": "TM", "Value": ["101112"]},
        "00080050": {"vr": "SH"},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": ["CT"]},
        "00080090": {"vr": "PN"},
        "00081190": {"vr": "UR", "Value": ["{{base}}/studies/1.2.1"]},
        "00100010": {"vr": "PN"},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "00100030": {"vr": "DA"},
        "00100040": {"vr": "CS"},
        "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
        "00200010": {"vr": "SH"},
        "00201206": {"vr": "IS", "Value": [1]},
        "00201208": {"vr": "IS", "Value": [1]},
    }
    assert list(json.loads(match)) == sorted(json.loads(match))


def test_a_series_carries_its_study_uid_and_its_count(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(3, x0008103E=text("LO", "axial")))
    (match,) = find(catalog, level=Level.SERIES, study="1.2.1").matches
    found = json.loads(match)
    assert found["0020000D"]["Value"] == ["1.2.1"]
    assert found["00201209"]["Value"] == [3]
    assert found["0008103E"]["Value"] == ["axial"]
    assert found["00081190"]["Value"] == ["{{base}}/studies/1.2.1/series/1.2.1.1"]
    assert "00100010" not in found


def test_an_instance_carries_the_uids_above_and_its_transfer_syntax(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    (match,) = find(catalog, level=Level.INSTANCE, study="1.2.1", series="1.2.1.1").matches
    found = json.loads(match)
    assert found["0020000D"]["Value"] == ["1.2.1"]
    assert found["0020000E"]["Value"] == ["1.2.1.1"]
    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert found["00280010"]["Value"] == [512]
    assert "00080060" not in found


@pytest.mark.parametrize(
    ("level", "rest", "there", "not_there"),
    [
        (Level.SERIES, {"relational": True}, ["00100010", "00201208", "00080060"], ["00080018"]),
        (Level.INSTANCE, {"relational": True}, ["00100010", "00201209", "00080018"], []),
        (Level.INSTANCE, {"relational": True, "study": "1.2.1"}, ["00080060", "00201209"], ["00100010"]),
    ],
)
def test_relational_answers_bring_the_levels_above(
    catalog: SqlCatalog, level: Level, rest: dict[str, Any], there: list[str], not_there: list[str]
) -> None:
    catalog.holdings.store(many(1))
    (match,) = find(catalog, level=level, **rest).matches
    found = json.loads(match)
    assert not set(there) - set(found)
    assert not set(not_there) & set(found)
    assert match.count(b'"00081190"') == match.count(b'"0020000D"') == 1


def test_relational_answers_stand_in_the_order_of_their_studies(studies: SqlCatalog) -> None:
    found = find(studies, level=Level.INSTANCE, relational=True, limit=4)
    assert values(found, "00080018") == ["1.2.1.1.1", "1.2.1.1.2", "1.2.2.1.1", "1.2.2.1.2"]
    assert found.remaining == 6


def test_fields_asked_for_are_returned_and_those_of_lower_levels_are_not(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1, x0008103E=text("LO", "axial")))
    asked = frozenset({(DESCRIPTION,), (0x00080060,), (0x0008103E,), (0x00104000,)})
    (match,) = find(catalog, include=asked).matches
    found = json.loads(match)
    assert found["00081030"]["Value"] == ["CT Thorax"]
    assert not {"00080060", "0008103E", "00104000"} & set(found)


def test_fields_of_higher_levels_may_be_asked_for(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    (match,) = find(catalog, level=Level.INSTANCE, study="1.2.1", include=frozenset({(PATIENT_NAME,)})).matches
    assert json.loads(match)["00100010"]["Value"] == [{"Alphabetic": "Müller^Anna"}]


def test_an_instance_returns_any_attribute_of_its_metadata(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1, x00180050=text("DS", 1.25)))
    (match,) = find(catalog, level=Level.INSTANCE, study="1.2.1", include=frozenset({(0x00180050,)})).matches
    assert json.loads(match)["00180050"]["Value"] == [1.25]


def test_match_keys_are_returned_also_when_they_have_no_value(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1, x00081030=None))
    (match,) = find(catalog, key(DESCRIPTION, "LO", Match.UNIVERSAL), key(0x00100040, "CS", Match.EMPTY)).matches
    assert json.loads(match)["00081030"] == {"vr": "LO"}


def test_a_sequence_is_returned_whole_and_a_path_into_it_pruned(studies: SqlCatalog) -> None:
    uid = key(0x0020000D, "UI", Match.SINGLE, "1.2.2")
    (whole,) = find(studies, uid, include=frozenset({(0x00081032,)})).matches
    (part,) = find(studies, uid, include=frozenset({(0x00081032, 0x00080102)})).matches
    assert len(json.loads(whole)["00081032"]["Value"][0]) == 2
    assert json.loads(part)["00081032"]["Value"] == [
        {"00080102": {"vr": "SH", "Value": ["X"]}},
        {"00080102": {"vr": "SH", "Value": ["Y"]}},
    ]


def test_all_fields_of_an_instance_are_everything_but_bulk(catalog: SqlCatalog) -> None:
    bulk = {"vr": "OW", "BulkDataURI": "{{base}}/x"}
    catalog.holdings.store(many(1, x00180050=text("DS", 1.25), x7FE00010=bulk))
    (match,) = find(catalog, level=Level.INSTANCE, study="1.2.1", include_all=True).matches
    found = json.loads(match)
    assert found["00180050"]["Value"] == [1.25]
    assert found["00100020"]["Value"] == ["P1"]
    assert found["00081190"]["Value"][0].endswith("/instances/1.2.1.1.1")
    assert "7FE00010" not in found


def test_several_modalities_stand_in_one_study(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1) + many(1, series="1.2.1.2", x00080060=text("CS", "SEG"), sop_class="1.9"))
    (match,) = find(catalog, include=frozenset({(0x00080062,)})).matches
    found = json.loads(match)
    assert found["00080061"]["Value"] == ["CT", "SEG"]
    assert found["00080062"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2", "1.9"]
    assert found["00201206"]["Value"] == [2]


def test_instances_without_a_number_come_last(catalog: SqlCatalog) -> None:
    unnumbered = new(derived("1.2.1", "1.2.1.1", "1.2.1.1.0", x00200013=text("IS")))
    catalog.holdings.store([unnumbered, *many(2)])
    found = find(catalog, level=Level.INSTANCE, study="1.2.1")
    assert values(found, "00080018") == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.0"]


def test_other_tenants_see_nothing(studies: SqlCatalog) -> None:
    assert find(studies, tenant="other").matches == ()


def test_a_failed_image_that_is_here_stays_online(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    catalog.progress.move(InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.1"), State.FAILED, only_from=[State.STORED])
    assert values(find(catalog), "00080056") == ["ONLINE"]


def test_hostile_values_are_stored_and_found(catalog: SqlCatalog) -> None:
    long = "x" * 20_000
    catalog.holdings.store(
        many(1, x00081030=text("LO", long), x00100020=text("LO", "a\x00b'; --"), x00100010=name("%_*?[^]"))
    )
    assert len(find(catalog, key(DESCRIPTION, "LO", Match.WILDCARD, "xxx*")).matches) == 1
    assert len(find(catalog, key(PATIENT_ID, "LO", Match.WILDCARD, "*'; -?")).matches) == 1
    assert len(find(catalog, key(PATIENT_NAME, "PN", Match.WILDCARD, "%_*[*")).matches) == 1
