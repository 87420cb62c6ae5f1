"""Find studies, series and instances (QIDO-RS, C-FIND).

Three ways, chosen by the keys: an index answers directly; or a few candidate studies come from the index of substrings
or of values below the study (modalities), and only those are looked at; or, when there are too many candidates, the
newest studies are walked and checked, since then a page fills soon. So a rare and a common value are both quick. Text
of one or two characters has no trigram and takes the third way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import orjson
from sqlalchemy import Connection, Row

from dicomweb_server.catalog import conditions, residual, returned
from dicomweb_server.catalog.attributes import COMPUTED
from dicomweb_server.catalog.base import Search
from dicomweb_server.catalog.candidates import Candidates, leaves_few
from dicomweb_server.catalog.conditions import Values
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.returned import LEVELS, Wanted
from dicomweb_server.catalog.statement import Shape, count_of, page_of
from dicomweb_server.dicom.attributes import level_of
from dicomweb_server.model.query import DateTimeRange, Key, Level, Match, Page, Query

COUNTED = 100
"""How many matches beyond the page are counted exactly (Q-41): of many studies, looking for more takes longest."""

EXAMINED = 20_000
"""Entries whose stored attributes are read for a key without a column, before the search is cut with a warning."""

EXAMINED_SECONDS = 10.0
"""The same bound in time, for large metadata."""

_CHUNK = 500
_SKIPPED = 100
"""From this offset on it is worth not to look at what is skipped."""


@dataclass(frozen=True, slots=True)
class _Plan:
    query: Query
    wanted: Wanted
    indexed: tuple[Key, ...]
    others: tuple[Key, ...]
    other_intervals: tuple[DateTimeRange, ...]
    intervals: tuple[DateTimeRange, ...]
    warnings: tuple[str, ...]


class SqlSearch:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect
        self._statement = lru_cache(maxsize=1024)(partial(page_of, dialect=self._dialect))
        self._counting = lru_cache(maxsize=1024)(partial(count_of, dialect=self._dialect))
        self._candidates = Candidates(database.dialect, database.extra)

    def find(self, query: Query) -> Page:
        plan = _plan(query)
        with self._database.read() as connection:
            among = self._candidates(connection, query, plan.indexed, plan.others)
            if among is not None and not among:
                return Page((), 0, plan.warnings)
            shape = _shape(plan, among=among is not None)
            values = self._values(plan, among)
            if plan.others or plan.other_intervals:
                found, remaining, warnings = self._examine(connection, plan, shape, values)
            else:
                found, remaining = self._page(connection, query, shape, values)
                warnings = ()
        matches = tuple(_match(row, plan.wanted, shape) for row in found)
        return Page(matches, remaining, plan.warnings + warnings)

    def _page(self, connection: Connection, query: Query, shape: Shape, values: Values) -> tuple[list[Row[Any]], int]:
        page = {**values, "most": query.limit + 1, "start": query.offset}
        rows = list(connection.execute(self._statement(shape), page))
        if len(rows) <= query.limit:
            return rows, 0
        beyond = {**values, "most": COUNTED, "start": query.offset + query.limit}
        return rows[: query.limit], connection.execute(self._counting(shape), beyond).scalar_one()

    def _examine(
        self, connection: Connection, plan: _Plan, shape: Shape, values: Values
    ) -> tuple[list[Row[Any]], int, tuple[str, ...]]:
        found: list[Row[Any]] = []
        enough = plan.query.offset + plan.query.limit
        until = time.monotonic() + EXAMINED_SECONDS
        for seen, rows in self._chunks(connection, shape, values):
            found += [row for row in rows if _has_others(row, plan, shape)]
            if len(found) > enough:
                break
            if seen >= EXAMINED or time.monotonic() > until:
                warning = f"The search was cut after {seen} entries; there may be more matches"
                return found[plan.query.offset : enough], 0, (warning,)
        return found[plan.query.offset : enough], max(0, len(found) - enough), ()

    def _chunks(self, connection: Connection, shape: Shape, values: Values) -> Iterator[tuple[int, Sequence[Row[Any]]]]:
        seen = 0
        while True:
            page = {**values, "most": _CHUNK, "start": seen}
            rows = connection.execute(self._statement(shape), page).all()
            seen += len(rows)
            yield seen, rows
            if len(rows) < _CHUNK:
                return

    def _values(self, plan: _Plan, among: list[int] | None) -> Values:
        query = plan.query
        values: Values = {"tenant": query.tenant, "study": query.study, "series": query.series}
        for n, key in enumerate(plan.indexed):
            values |= conditions.values(key, n, self._dialect)
        for n, interval in enumerate(plan.intervals):
            values |= conditions.interval_values(interval, n)
        if among is not None:
            values["among"] = self._dialect.listed(among)
        return values


def _plan(query: Query) -> _Plan:
    asked = [key for key in query.keys if key.match is not Match.UNIVERSAL]
    indexed = tuple(key for key in asked if conditions.form_of(key) is not None)
    rest = [key for key in asked if conditions.form_of(key) is None]
    others = tuple(key for key in rest if _reaches(key.path[0], query.level))
    unanswered = [key for key in rest if not _reaches(key.path[0], query.level)]
    usable = [i for i in query.intervals if conditions.interval_of(i) and _reaches(i.date, query.level)]
    warnings: tuple[str, ...] = ()
    if unanswered:
        names = ", ".join(".".join(f"{tag:08X}" for tag in key.path) for key in unanswered)
        warnings = (f"The following attributes cannot be matched at this level and were ignored: {names}",)
    return _Plan(
        query,
        returned.wanted(query),
        indexed,
        others,
        tuple(i for i in query.intervals if i not in usable and _reaches(i.date, query.level)),
        tuple(usable),
        warnings,
    )


def _reaches(tag: int, level: Level) -> bool:
    """Whether ``tag`` can be read from what is stored of ``level`` and those above."""
    if f"{tag:08X}" in COMPUTED[level]:
        return False
    return LEVELS.index(level_of(tag)) <= LEVELS.index(level)


def _shape(plan: _Plan, *, among: bool) -> Shape:
    query = plan.query
    tags = [key.path[0] for key in plan.others] + [interval.date for interval in plan.other_intervals]
    examined = {level_of(tag) for tag in tags}
    few = among or (not query.empty_matches_any and leaves_few(plan.indexed))
    return Shape(
        query.level,
        query.study is not None,
        query.series is not None,
        tuple(form for key in plan.indexed if (form := conditions.form_of(key, or_empty=query.empty_matches_any))),
        tuple(
            both
            for interval in plan.intervals
            if (both := conditions.interval_of(interval, or_empty=query.empty_matches_any))
        ),
        among,
        few,
        few or query.offset > _SKIPPED or any(key.match in (Match.WILDCARD, Match.FUZZY) for key in plan.indexed),
        tuple(plan.wanted.levels),
        tuple(level for level in LEVELS if level in examined),
        plan.wanted.needs_metadata or Level.INSTANCE in examined,
    )


def _has_others(row: Row[Any], plan: _Plan, shape: Shape) -> bool:
    dataset: dict[str, Any] = {}
    fields = row._mapping
    for level in shape.examined:
        text = fields["body"] if level is Level.INSTANCE else fields[f"{level}_attributes"]
        dataset |= orjson.loads(text) if text else {}
    return residual.matches(dataset, plan.others, plan.other_intervals)


def _match(row: Row[Any], wanted: Wanted, shape: Shape) -> bytes:
    parts = zip(shape.levels, row[1 : 1 + len(shape.levels)], strict=True)
    body = row[-1] if shape.with_metadata else None
    return returned.match(wanted, parts, body, nearline=bool(row[0]))


_: type[Search] = SqlSearch
