"""How SQLite goes about what viewers ask. It has no statistics here, so the plan is the same at every size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from tests.catalog import multitude

STUDIES = 40
_WALKS_A_TABLE = re.compile(r"SCAN (?!study_text VIRTUAL TABLE INDEX \d+:M|anon_\d)")
"""The index of substrings is asked by MATCH; anon_1 is a list of candidates, or the page that is counted."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlCatalog]:
    opened = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'catalog.sqlite'}")
    multitude.fill(opened, STUDIES)
    yield opened
    opened.close()


def plans(catalog: SqlCatalog, title: str) -> list[list[str]]:
    """Of each statement of a search."""
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        catalog.search.find(multitude.queries()[title])
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    with catalog.database.read() as connection:
        return [
            [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked
        ]


@pytest.mark.parametrize("title", multitude.queries())
def test_no_search_of_a_viewer_walks_a_table(catalog: SqlCatalog, title: str) -> None:
    found = plans(catalog, title)
    assert found
    for plan in found:
        assert not [step for step in plan if _WALKS_A_TABLE.match(step)], plan


def test_the_newest_studies_are_read_in_order_and_not_sorted(catalog: SqlCatalog) -> None:
    for title in ("newest 101", "date range"):
        for plan in plans(catalog, title):
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, title


def test_the_walk_of_a_table_would_be_seen(catalog: SqlCatalog) -> None:
    with catalog.database.read() as connection:
        rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT id FROM study WHERE study_description = 'x'")
        assert any(_WALKS_A_TABLE.match(str(row[3])) for row in rows)
