"""Names are alike when they are spelled or sound alike, in whatever order and script."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dicomweb_server.catalog import spelling
from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.model.query import Level, Match, Query
from tests.catalog.making import derived, key, new


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Meier", "Mayr"),
        ("Schmidt", "Smith"),
        ("Müller", "Mueller"),
        ("Johnson", "Jonsen"),
        ("Philip", "Filipp"),
        ("Cathrin", "Katrin"),
        ("Christian", "Kristian"),
        ("Sørensen", "Sorensen"),
        ("Łukasz", "Lukash"),
        ("Thomas", "Tomas"),
        ("Kowalski", "Covalsky"),
        ("Wright", "Rite"),
        ("O'Brien", "OBrian"),
        ("Shawn", "Sean"),
    ],
)
def test_names_that_sound_the_same_are_alike(one: str, other: str) -> None:
    assert spelling.alike(f"{one}^X", other)
    assert spelling.alike(f"X^{other}", one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Meier", "Muller"), ("Lee", "Lu"), ("Anna", "Hanna"), ("Smith", "Smithers"), ("山田", "山本")],
)
def test_others_are_not(one: str, other: str) -> None:
    assert not spelling.alike(one, other)


@pytest.mark.parametrize(
    "wanted", ["mull anna", "Anna^Muller", "MUELLER", "lena", "muller,a", "Lena Müler", "山", "yamada~"]
)
def test_words_are_found_by_their_beginning_in_any_order(wanted: str) -> None:
    assert spelling.alike("Müller-Yamada^Anna Lena=山田^太郎", wanted)


def test_a_name_of_thousands_of_words_costs_no_more_than_sixteen() -> None:
    assert len(spelling.asked(" ".join(f"word{n}" for n in range(1000)))) == spelling.MOST_WORDS


COLLECTION_0006 = ("action", "phase", "reason", "request", "attempts", "due", "ended", "told", "eager")


def test_an_older_catalog_learns_the_words_of_its_names(url: str) -> None:
    older = open_catalog(url)
    older.holdings.store([new(derived())])
    with older.database.write() as connection:
        connection.execute(sa.text(f"DELETE FROM study_value WHERE tag = {0x00100010}"))
        for newer in ("search_index", "lease"):
            connection.execute(sa.text(f"DROP TABLE {newer}"))
        for index in ("ix_series_state", "ix_collection_phase"):
            connection.execute(sa.text(f"DROP INDEX {index}"))
        for column in (
            "series.state",
            "series.representative",
            "series.image_count",
            "study.state",
            "study.representative",
            *(f"collection.{name}" for name in COLLECTION_0006),
        ):
            table, _, name = column.partition(".")
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    older.close()
    opened = open_catalog(url)
    page = opened.search.find(Query(Level.STUDY, keys=(key(0x00100010, "PN", Match.FUZZY, "Anna Mueler"),)))
    opened.close()
    assert len(page.matches) == 1
