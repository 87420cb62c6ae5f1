"""Further attributes that a site wants found quickly: indexed while the server serves (``search.indexed``)."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.catalog import search
from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.model.query import Key, Level, Match, Query
from tests.catalog.making import derived, new, text
from tests.corpus import path
from tests.journeys.asking import header, store
from tests.journeys.server import running

WEIGHT, KVP = 0x00101030, 0x00180060
STUDIES = 60


def heavy(number: int) -> Any:
    return new(
        derived(
            f"1.2.{number}",
            f"1.2.{number}.1",
            f"1.2.{number}.1.1",
            x00101030=text("DS", 50.0 + number),
            x00180060=text("DS", 80 + number % 7),
        )
    )


def found(catalog: SqlCatalog, level: Level, tag: int, vr: str, value: str) -> tuple[list[str], tuple[str, ...]]:
    page = catalog.search.find(Query(level, keys=(Key((tag,), vr, Match.SINGLE, (value,)),), limit=100))
    return sorted(json.loads(match)["0020000D"]["Value"][0] for match in page.matches), page.warnings


@pytest.fixture
def few_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_CHUNK", 10)
    monkeypatch.setattr(search, "EXAMINED", 20)


def index_all(catalog: SqlCatalog) -> int:
    steps = 0
    while catalog.indexing.step() is not None:
        steps += 1
    return steps


@pytest.mark.usefixtures("few_examined")
def test_what_is_indexed_is_found_however_much_there_is(url: str) -> None:
    with closing(open_catalog(url)) as plain:
        plain.holdings.store([heavy(n) for n in range(STUDIES)])
        _, warnings = found(plain, Level.STUDY, WEIGHT, "DS", "51")
        assert warnings, "cut: it is far from the newest"
    with closing(open_catalog(url, indexed=["PatientWeight", "00180060"])) as catalog:
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "51")[1], "not used before it covers everything"
        assert index_all(catalog) > 2
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "51") == (["1.2.1"], ())
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "051.0")[0] == ["1.2.1"]
        assert found(catalog, Level.INSTANCE, KVP, "DS", "86")[0] == sorted(f"1.2.{n}" for n in range(6, STUDIES, 7))
        catalog.holdings.store([heavy(1000)])
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "1050") == (["1.2.1000"], ())
        assert index_all(catalog) == 0


@pytest.mark.usefixtures("few_examined")
def test_it_goes_on_where_it_was_stopped_and_starts_anew_when_it_was_switched_off(url: str) -> None:
    with closing(open_catalog(url)) as plain:
        plain.holdings.store([heavy(n) for n in range(STUDIES)])
    with closing(open_catalog(url, indexed=["PatientWeight"])) as catalog:
        step = catalog.indexing.step()
        assert step is not None
        assert (step.studies, step.total) == (20, STUDIES)
    with closing(open_catalog(url, indexed=["PatientWeight"])) as catalog:
        step = catalog.indexing.step()
        assert step is not None
        assert step.studies == 40
        index_all(catalog)
    with closing(open_catalog(url)) as plain:
        plain.holdings.store([heavy(1001)])
    with closing(open_catalog(url, indexed=["PatientWeight"])) as catalog:
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "1051")[1], "what was stored meanwhile is not covered"
        index_all(catalog)
        assert found(catalog, Level.STUDY, WEIGHT, "DS", "1051") == (["1.2.1001"], ())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Nonsense", "no attribute"),
        ("PatientName", "cannot be indexed"),
        ("PatientID", "indexed anyway"),
        ("AcquisitionTime", "cannot be indexed"),
        ("PatientWeight.CodeValue", "cannot be indexed"),
        ("00231001", "no attribute"),
    ],
)
def test_what_cannot_be_indexed_is_told_at_start(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        open_catalog(f"sqlite:///{tmp_path}/c.sqlite", indexed=[name])


def test_the_command_indexes_while_the_server_serves(tmp_path: Path) -> None:
    file = path("generated/ts/ct_evle.dcm")
    with running(tmp_path / "data") as server, server.client() as client:
        assert store(client, [file]).status_code == 200
    extra = ("--set", "search.indexed=Manufacturer")
    with running(tmp_path / "data", extra=extra) as server, server.client() as client:
        done = server.cli("index", *extra)
        assert json.loads(done.stdout.splitlines()[-1]) == {"event": "done", "studies": 1}
        (match,) = client.get(f"/instances?Manufacturer={header(file).Manufacturer}").json()
        assert match["00080018"]["Value"] == [header(file).SOPInstanceUID]
