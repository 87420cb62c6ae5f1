"""Statements of the hot paths, made ready once.

SQLAlchemy asks itself at each run what it knew before: in a local database that takes longer than the statement. So for
SQLite they go to the driver directly. Over a connection to PostgreSQL it does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

Rows = Sequence[Sequence[Any]]


class Prepared(Protocol):
    """One statement; its values are what a driver takes as they are."""

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Rows:
        """Run it once; the rows it returns."""

    def many(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> Rows:
        """Run it for each of ``values``, which all have the same names; the rows it returns, in no order."""


class Driven:
    """Straight to the driver of SQLite."""

    def __init__(self, statement: sa.ClauseElement) -> None:
        self._statement = statement
        self._dialect = sqlite.dialect(paramstyle="named")
        self._compiled: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Rows:
        return self.many(connection, (values,))

    def many(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> Rows:
        text, constants = self._for(tuple(values[0]))
        cursor = connection.connection.cursor()
        rows: list[Sequence[Any]] = []
        for each in values:
            cursor.execute(text, {**constants, **each})
            rows += cursor.fetchall()
        cursor.close()
        return rows

    def _for(self, names: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        """The statement as text when values of these names are bound, and what it binds by itself."""
        found = self._compiled.get(names)
        if found is None:
            compiled = self._statement.compile(dialect=self._dialect, column_keys=list(names))
            assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
            constants = {name: bound.value for name, bound in compiled.binds.items() if name not in names}
            found = self._compiled[names] = str(compiled), constants
        return found


def run(connection: Connection, text: str) -> None:
    """Straight to the driver of SQLite."""
    connection.connection.cursor().execute(text).close()


class Executed:
    """By way of SQLAlchemy."""

    def __init__(self, statement: sa.Executable) -> None:
        self._statement = statement

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Rows:
        return _rows(connection.execute(self._statement, values))

    def many(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> Rows:
        return _rows(connection.execute(self._statement, values))


def _rows(result: sa.CursorResult[Any]) -> Rows:
    return result.all() if result.returns_rows else ()


_: tuple[type[Prepared], ...] = (Driven, Executed)
