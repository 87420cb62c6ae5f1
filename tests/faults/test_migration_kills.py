"""Killed at any step of a migration: the next start brings the catalog up to date, and so does one beside it (S-17)."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicomweb_server.catalog import migrate
from tests.faults.killing import KILLS, begun, calls_of, kill_at, places, run
from tests.faults.removing import fill, opened
from tests.ingest import traced

FIRST = "0001"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
NOT_COPIED = ("alembic_version", "sqlite_sequence", "counter", "study_text")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the catalog of the first release; what later ones made of the rows is not in it."""
    traced.needs_strace()
    current, data = tmp_path / "current", tmp_path / "old"
    current.mkdir()
    fill(current)
    with opened(current) as held:
        held.preprocess()
        held.reconcile()
    data.mkdir()
    shutil.copytree(current / "objects", data / "objects")
    monkeypatch.setattr(migrate, "HEAD", FIRST)
    engine = sa.create_engine(f"sqlite:///{data / 'catalog.sqlite'}", isolation_level="AUTOCOMMIT")
    migrate.to_head(engine, "sqlite")
    engine.dispose()
    monkeypatch.undo()
    with closing(sqlite3.connect(data / "catalog.sqlite")) as catalog:
        catalog.execute("ATTACH ? AS current", (str(current / "catalog.sqlite"),))
        for (table,) in catalog.execute(TABLES).fetchall():
            if not table.startswith(NOT_COPIED):
                names = ", ".join(columns(catalog, table))
                catalog.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM current.{table}")
        catalog.commit()
    return data


def columns(catalog: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in catalog.execute(f"PRAGMA main.table_info({table})")]


def content(data: Path) -> Iterator[str]:
    """Schema and rows; whether the file is sound."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as catalog:
        yield from (row[0] for row in catalog.execute("PRAGMA integrity_check"))
        yield from catalog.iterdump()


def test_a_migration_killed_at_any_system_call_is_done_by_the_next_start(tmp_path: Path, old: Path) -> None:
    whole = shutil.copytree(old, tmp_path / "whole")
    calls = calls_of(whole, "open", tmp_path / "calls")
    assert_current(whole)
    expected = list(content(whole))
    for place, call in places(calls):
        data = shutil.copytree(old, tmp_path / f"data-{place}")
        kill_at(data, "open", call)
        assert run(data, "open") == 0
        assert list(content(data)) == expected
        shutil.rmtree(data)


def test_a_migration_is_done_by_whoever_starts_beside_one_that_is_killed(tmp_path: Path, old: Path) -> None:
    calls = calls_of(shutil.copytree(old, tmp_path / "whole"), "open", tmp_path / "calls")
    expected = list(content(tmp_path / "whole"))
    ends = set()
    for place, (name, number) in places(calls, KILLS // 2):
        data = shutil.copytree(old, tmp_path / f"data-{place}")
        beside = begun(data, "open")
        inject = f"inject={name}:signal=KILL:when={number}"
        ends.add(run(data, "open", "-e", f"trace={name}", "-e", inject))
        beside.join(60)
        assert beside.exitcode == 0
        assert list(content(data)) == expected
        shutil.rmtree(data)
    assert ends <= {0, -signal.SIGKILL}


def assert_current(data: Path) -> None:
    with closing(sqlite3.connect(data / "catalog.sqlite")) as catalog:
        assert catalog.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrate.HEAD,)]
        assert catalog.execute("SELECT count(*) FROM instance").fetchall() == [(6,)]
        assert "state" in columns(catalog, "series")
