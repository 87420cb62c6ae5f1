"""Any query finds what reading every instance by the text of PS3.4 C.2.2.2 finds, at three levels."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.model.query import Level
from dicomweb_server.web.params import Parameter
from dicomweb_server.web.search_request import SearchRules, asked
from tests.catalog.making import derived, name, new, text

Leaf = dict[str, Any]
Holds = Callable[[Leaf], bool]

NAMES = ["Müller^Anna", "MULLER^ANN", "Li^Na", "O'Brien^Sean", "A_b%^[x]", ""]
IDS = ["A1", "a1", "A_1", "A%1", "B*", ""]
DATES = ["20200101", "20200102", "20210305", ""]
TIMES = ["0700", "070000", "101112.5", "235959"]
CODES = ["X", "Y", "XY"]
KINDS = ["CT", "MR", "SR"]
UID_TAGS = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}


def test_a_query_finds_what_reading_everything_finds(catalog: SqlCatalog) -> None:
    leaves = _data(random.Random(20))
    catalog.holdings.store([new(_instance(leaf)) for leaf in leaves])
    finds_what_reading_finds(catalog, leaves)


def test_further_indexed_attributes_change_no_answer(url: str) -> None:
    """Half of the data was there before, and is indexed afterwards."""
    leaves = _data(random.Random(21))
    half = len(leaves) // 2
    with closing(open_catalog(url)) as before:
        before.holdings.store([new(_instance(leaf)) for leaf in leaves[:half]])
    names = ("PatientWeight", "ProcedureCodeSequence.CodeValue", "ProcedureCodeSequence.00080102")
    with closing(open_catalog(url, indexed=names)) as catalog:
        while catalog.indexing.step() is not None:
            pass
        catalog.holdings.store([new(_instance(leaf)) for leaf in leaves[half:]])
        finds_what_reading_finds(catalog, leaves)


def finds_what_reading_finds(catalog: SqlCatalog, leaves: list[Leaf]) -> None:

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.sampled_from(sorted(KEYS)), unique=True, min_size=1, max_size=3), st.data())
    def check(names: list[str], data: st.DataObject) -> None:
        level = data.draw(st.sampled_from(Level))
        drawn = [data.draw(KEYS[each]) for each in names]
        pairs = [pair for each, _ in drawn for pair in each]
        parameters = [Parameter(key, quote(value, safe=",")) for key, value in pairs]
        query = asked(parameters, SearchRules(local_zone=UTC), level=level).query
        found = [json.loads(match)[UID_TAGS[level]]["Value"][0] for match in catalog.search.find(query).matches]
        expected = {leaf[level] for leaf in leaves if all(holds(leaf) for _, holds in drawn)}
        assert sorted(found) == sorted(expected), pairs

    check()


def _data(chance: random.Random) -> list[Leaf]:
    leaves = []
    for s in range(1, 25):
        study = {
            Level.STUDY: f"1.2.{s}",
            "name": chance.choice(NAMES),
            "id": chance.choice(IDS),
            "date": chance.choice(DATES),
            "time": chance.choice(TIMES),
            "codes": [(chance.choice(CODES), chance.choice(CODES)) for _ in range(chance.randrange(3))],
            "weight": chance.choice(["70", "70.5", ""]),
        }
        series = [
            {
                **study,
                Level.SERIES: f"1.2.{s}.{e}",
                "modality": chance.choice(KINDS),
                "number": chance.choice([1, 2, 7]),
            }
            for e in range(1, chance.choice([2, 3]))
        ]
        kinds = {each["modality"] for each in series}
        for each in series:
            for i in (1, 2):
                leaves.append({**each, Level.INSTANCE: f"{each[Level.SERIES]}.{i}", "place": i, "kinds": kinds})
    return leaves


def _instance(leaf: Leaf) -> Any:
    items = [{"00080100": text("SH", code), "00080102": text("SH", scheme)} for code, scheme in leaf["codes"]]
    return derived(
        leaf[Level.STUDY],
        leaf[Level.SERIES],
        leaf[Level.INSTANCE],
        x00080020=text("DA", *filter(None, [leaf["date"]])),
        x00080030=text("TM", leaf["time"]),
        x00080060=text("CS", leaf["modality"]),
        x00081032={"vr": "SQ", "Value": items} if items else {"vr": "SQ"},
        x00100010=name(leaf["name"]) if leaf["name"] else text("PN"),
        x00100020=text("LO", *filter(None, [leaf["id"]])),
        x00101030=text("DS", *([float(leaf["weight"])] if leaf["weight"] else [])),
        x00200011=text("IS", leaf["number"]),
    )


def _plain(value: str) -> str:
    marks = unicodedata.normalize("NFD", value)
    return "".join(c for c in marks if unicodedata.category(c) != "Mn").lower()


def _wild(value: str, pattern: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _seconds(value: str, *, last: bool = False) -> float:
    digits, _, fraction = value.partition(".")
    missing = ("000000", "235959")[last][len(digits) :]
    hours, minutes, seconds = (int((digits + missing)[n : n + 2]) for n in (0, 2, 4))
    return hours * 3600 + minutes * 60 + seconds + float(f"0.{fraction or ('0', '999999')[last]}")


def _text(keyword: str, field: str, pool: list[str], fold: Callable[[str], str]) -> st.SearchStrategy[Any]:
    def key(value: str) -> tuple[list[tuple[str, str]], Holds]:
        if value.strip("*") == "":
            return [(keyword, value)], lambda leaf: True
        return [(keyword, value)], lambda leaf: leaf[field] != "" and _wild(fold(leaf[field]), fold(value))

    def empty(value: str) -> tuple[list[tuple[str, str]], Holds]:
        return [(keyword, '""'), ("emptyvaluematching", "true")], lambda leaf: leaf[field] == ""

    patterns = st.text("*?AaMmNn1_%[^", max_size=5) | st.builds("*{}*".format, st.sampled_from(["a", "_", "%", "NN"]))
    values = patterns.filter(lambda value: _wildcard_or_whole(value, keyword)) | st.sampled_from([v for v in pool if v])
    return values.map(key) | st.just("").map(empty if keyword == "PatientID" else key)


def _wildcard_or_whole(value: str, keyword: str) -> bool:
    """A name's trailing ``^`` is padding, which this reader does not know."""
    return keyword != "PatientName" or "^" not in value


def _dates(first: str, last: str, *, ranged: bool) -> tuple[list[tuple[str, str]], Holds]:
    if not ranged:
        return [("StudyDate", first or "20200101")], lambda leaf: leaf["date"] == (first or "20200101")
    first = first if first or last else "20200102"
    return [("StudyDate", f"{first}-{last}")], lambda leaf: bool(
        leaf["date"] and first <= leaf["date"] <= (last or "9")
    )


def _moments(days: tuple[str, str], times: tuple[str, str]) -> tuple[list[tuple[str, str]], Holds]:
    start, end = (days[0], _seconds(times[0])), (days[1], _seconds(times[1], last=True))
    pairs = [("StudyDate", "-".join(days)), ("StudyTime", "-".join(times))]
    return pairs, lambda leaf: bool(leaf["date"]) and start <= (leaf["date"], _seconds(leaf["time"])) <= end


def _times(first: str) -> tuple[list[tuple[str, str]], Holds]:
    start, end = _seconds(first), _seconds(first, last="." not in first)
    return [("StudyTime", first)], lambda leaf: start <= _seconds(leaf["time"]) <= end


def _code(code: str, scheme: str) -> tuple[list[tuple[str, str]], Holds]:
    path = "ProcedureCodeSequence"
    pairs = [(f"{path}.CodeValue", code), (f"{path}.00080102", scheme)]
    return pairs, lambda leaf: any(_wild(a, code) and _wild(b, scheme) for a, b in leaf["codes"])


def _modalities(wanted: list[str], *, every: bool) -> tuple[list[tuple[str, str]], Holds]:
    pairs = [("ModalitiesInStudy", ",".join(wanted))]
    if every and len(wanted) > 1:
        return [*pairs, ("multiplevaluematching", "true")], lambda leaf: set(wanted) <= leaf["kinds"]
    return pairs, lambda leaf: bool(set(wanted) & leaf["kinds"])


_day, _time = st.sampled_from(DATES), st.sampled_from(["07", "0700", "10", "101112", "101112.5", "2359"])
_whole_day = st.sampled_from([day for day in DATES if day])
_kinds = st.lists(st.sampled_from([*KINDS, "XA"]), min_size=1, max_size=3, unique=True)

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "name": _text("PatientName", "name", NAMES, _plain),
    "id": _text("PatientID", "id", [value for value in IDS if "*" not in value], str),
    "when": st.one_of(
        st.builds(_dates, _day, _day, ranged=st.booleans()),
        st.builds(_moments, st.tuples(_whole_day, _whole_day), st.tuples(_time, _time)),
        st.builds(_times, _time),
    ),
    "code": st.builds(_code, st.sampled_from([*CODES, "X?", "*Y"]), st.sampled_from([*CODES, "?"])),
    "kinds": st.builds(_modalities, _kinds, every=st.booleans()),
    "modality": st.sampled_from(KINDS).map(lambda v: ([("Modality", v)], lambda leaf: leaf["modality"] == v)),
    "number": st.sampled_from(["1", "07", "3"]).map(
        lambda v: ([("SeriesNumber", v)], lambda leaf: leaf["number"] == int(v))
    ),
    "weight": st.sampled_from(["70", "070.50"]).map(
        lambda v: ([("PatientWeight", v)], lambda leaf: leaf["weight"] != "" and float(leaf["weight"]) == float(v))
    ),
    "instance": st.sampled_from(["2", "9"]).map(
        lambda v: ([("InstanceNumber", v)], lambda leaf: leaf["place"] == int(v))
    ),
    "uids": st.lists(st.sampled_from(["1.2.1", "1.2.5", "9.9"]), min_size=1, unique=True).map(
        lambda v: ([("StudyInstanceUID", "\\".join(v))], lambda leaf: leaf[Level.STUDY] in v)
    ),
}
