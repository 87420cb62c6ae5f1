"""Where SQLite and PostgreSQL differ: connecting, inserting, locking, patterns and substring search."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from dicomweb_server.catalog import schema
from dicomweb_server.catalog.prepared import Driven, Executed, Prepared
from dicomweb_server.model.errors import BackendFailed

BUSY_SECONDS = 30.0


class Dialect(Protocol):
    name: str

    def engine(self, url: str, *, durable: bool) -> Engine:
        """Connections whose commits are on disk at once, or ones that may lose the last moment with the power."""

    def prepared(self, statement: Any) -> Prepared:
        """``statement`` made ready to be run often."""

    def insert(self, table: Table) -> Any:
        """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""

    def lock(self, statement: Select[Any]) -> Select[Any]:
        """Rows held until the end of the transaction."""

    def lock_free(self, statement: Select[Any]) -> Select[Any]:
        """The same, leaving out rows that others hold."""

    def like(self, column: ColumnElement[str], pattern: ColumnElement[str]) -> ColumnElement[bool]:
        """Case-sensitive; ``pattern`` comes from ``pattern``."""

    def pattern(self, text: str) -> str:
        """DICOM's ``*`` and ``?`` as ``like`` wants them, all else literal."""

    def containing(self, column: str) -> Select[Any]:
        """Ids of studies whose ``column`` may contain all of ``:runs``, at most ``:most``; the caller checks them."""

    def runs(self, column: str, texts: Sequence[str]) -> Any:
        """``texts`` as ``containing`` wants them."""

    def among(self, column: ColumnElement[Any], given: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether ``column`` is one of the values in ``given``, bound by ``listed``."""

    def listed(self, given: Sequence[int | str]) -> Any: ...

    def write_text(self, connection: Connection, study_id: int, values: dict[str, str]) -> None:
        """Keep the index of substrings in step with a study's row."""

    def forget_text(self, connection: Connection, study_ids: Sequence[int]) -> None: ...

    def stamp(self, connection: Connection) -> Callable[[], int]:
        """Reads by ``connection`` a number that moves when another has committed."""


class Sqlite:
    name = "sqlite"

    def __init__(self) -> None:
        names = ", ".join(schema.TEXT_COLUMNS)
        marks = ", ".join(f":{name}" for name in schema.TEXT_COLUMNS)
        self._write_text = sa.text(f"INSERT OR REPLACE INTO study_text (rowid, {names}) VALUES (:id, {marks})")
        self._forget_text = sa.text("DELETE FROM study_text WHERE rowid = :id")
        self._containing = sa.text("SELECT rowid FROM study_text WHERE study_text MATCH :runs LIMIT :most").columns(
            sa.column("rowid", sa.Integer)
        )

    def engine(self, url: str, *, durable: bool) -> Engine:
        engine = sa.create_engine(
            url,
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS, "cached_statements": 512},
            poolclass=sa.QueuePool,
            pool_size=8,
            max_overflow=56,
        )
        synchronous = "FULL" if durable else "NORMAL"

        @sa.event.listens_for(engine, "connect")
        def set_up(connection: sqlite3.Connection, _: object) -> None:
            # The driver would begin by itself, and deferred: that fails with BUSY_SNAPSHOT, which no time-out cures.
            connection.isolation_level = None
            for pragma in (
                f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                "foreign_keys = ON",
                "cache_size = -16384",
                "mmap_size = 268435456",
                "temp_store = MEMORY",
                "journal_size_limit = 67108864",
            ):
                connection.execute(f"PRAGMA {pragma}").close()

        return engine

    def prepared(self, statement: Any) -> Prepared:
        return Driven(statement)

    def insert(self, table: Table) -> Any:
        return sqlite.insert(table)

    def lock(self, statement: Select[Any]) -> Select[Any]:
        return statement

    def lock_free(self, statement: Select[Any]) -> Select[Any]:
        return statement

    def like(self, column: ColumnElement[str], pattern: ColumnElement[str]) -> ColumnElement[bool]:
        return column.op("GLOB", is_comparison=True)(pattern)

    def pattern(self, text: str) -> str:
        return text.replace("[", "[[]")

    def containing(self, column: str) -> Select[Any]:
        return self._containing  # type: ignore[return-value]  # a textual select serves as well

    def runs(self, column: str, texts: Sequence[str]) -> Any:
        quoted = (text.replace('"', '""') for text in texts)
        return " AND ".join(f'{column} : "{text}"' for text in quoted)

    def among(self, column: ColumnElement[Any], given: ColumnElement[Any]) -> ColumnElement[bool]:
        return column.in_(sa.select(sa.func.json_each(given).table_valued("value").c.value))

    def listed(self, given: Sequence[int | str]) -> Any:
        return orjson.dumps(given).decode()

    def write_text(self, connection: Connection, study_id: int, values: dict[str, str]) -> None:
        given = {name: values[name] for name in schema.TEXT_COLUMNS}
        connection.execute(self._write_text, {"id": study_id, **given})

    def forget_text(self, connection: Connection, study_ids: Sequence[int]) -> None:
        if study_ids:
            connection.execute(self._forget_text, [{"id": study_id} for study_id in study_ids])

    def stamp(self, connection: Connection) -> Callable[[], int]:
        # Asked for every metadata request, so past SQLAlchemy.
        cursor = connection.connection.cursor()
        return lambda: int(cursor.execute("PRAGMA data_version").fetchone()[0])


class Postgresql:
    name = "postgresql"

    def engine(self, url: str, *, durable: bool) -> Engine:
        options = "-c jit=off" if durable else "-c jit=off -c synchronous_commit=off"
        return sa.create_engine(
            url, pool_size=8, max_overflow=24, pool_pre_ping=False, connect_args={"options": options}
        )

    def prepared(self, statement: Any) -> Prepared:
        return Executed(statement)

    def insert(self, table: Table) -> Any:
        return postgresql.insert(table)

    def lock(self, statement: Select[Any]) -> Select[Any]:
        return statement.with_for_update()

    def lock_free(self, statement: Select[Any]) -> Select[Any]:
        return statement.with_for_update(skip_locked=True)

    def like(self, column: ColumnElement[str], pattern: ColumnElement[str]) -> ColumnElement[bool]:
        return column.like(pattern)

    def pattern(self, text: str) -> str:
        return _literal(text).replace("*", "%").replace("?", "_")

    def containing(self, column: str) -> Select[Any]:
        study, runs = schema.study, sa.cast(sa.bindparam("runs"), sa.ARRAY(sa.Text()))
        contains = study.c[column].op("ILIKE", is_comparison=True)(sa.all_(runs))
        return sa.select(study.c.id).where(contains).limit(sa.bindparam("most"))

    def runs(self, column: str, texts: Sequence[str]) -> Any:
        return [f"%{_literal(text)}%" for text in texts]

    def among(self, column: ColumnElement[Any], given: ColumnElement[Any]) -> ColumnElement[bool]:
        return column == sa.any_(sa.cast(given, sa.ARRAY(column.type)))

    def listed(self, given: Sequence[int | str]) -> Any:
        return list(given)

    def write_text(self, connection: Connection, study_id: int, values: dict[str, str]) -> None:
        """The index is on the columns themselves."""

    def forget_text(self, connection: Connection, study_ids: Sequence[int]) -> None:
        """The index is on the columns themselves."""

    def stamp(self, connection: Connection) -> Callable[[], int]:
        statement = sa.select(schema.counter.c.value).where(schema.counter.c.name == "change")
        return lambda: int(connection.execute(statement).scalar() or 0)


def _literal(text: str) -> str:
    """``text`` in a LIKE pattern of PostgreSQL."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def dialect_of(url: str) -> tuple[Dialect, str]:
    """The dialect a URL names, and the URL as SQLAlchemy wants it. Raises BackendFailed."""
    if url.startswith("sqlite:"):
        return Sqlite(), url
    if url.startswith(("postgresql:", "postgres:")):
        return Postgresql(), "postgresql+psycopg:" + url.partition(":")[2]
    raise BackendFailed("the catalog's URL starts with sqlite:/// or postgresql://")
