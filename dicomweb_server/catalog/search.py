"""Find studies, series and instances (QIDO-RS, C-FIND).

Three ways, chosen by the keys: an index answers directly; or a few candidate studies come from the index of substrings
or of values below the study (modalities), and only those are looked at; or, when there are too many candidates, the
newest studies are walked and checked, since then a page fills soon. So a rare and a common value are both quick. Text
of one or two characters has no trigram and takes the third way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, bindparam

from dicomweb_server.catalog import conditions, residual, returned
from dicomweb_server.catalog.attributes import COMPUTED, INDEXED, Sort
from dicomweb_server.catalog.base import Search
from dicomweb_server.catalog.conditions import Form, Interval, Values
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.returned import LEVELS, Wanted
from dicomweb_server.catalog.schema import (
    TEXT_COLUMNS,
    instance,
    instance_metadata,
    series,
    study,
    study_document,
    study_value,
    version,
)
from dicomweb_server.dicom.attributes import level_of
from dicomweb_server.model.query import DateTimeRange, Key, Level, Match, Page, Query

CANDIDATES = 10_000
"""The most candidates that are looked at one by one."""

COUNTED = 1_000
"""How many matches beyond the page are counted exactly (Q-41)."""

EXAMINED = 20_000
"""Entries whose stored attributes are read for a key without a column, before the search is cut with a warning."""

_CHUNK = 500
_SKIPPED = 100
"""From this offset on it is worth not to look at what is skipped."""
_SELECTIVE = frozenset({0x0020000D, 0x00100020, 0x00080050})
"""Keys whose own index leaves next to nothing to sort."""

_NEWEST_ID = sa.select(sa.func.max(study.c.id))


@dataclass(frozen=True, slots=True)
class _Shape:
    """All that a statement depends on; its values are bound."""

    level: Level
    in_study: bool
    in_series: bool
    forms: tuple[Form, ...]
    intervals: tuple[Interval, ...]
    among: bool
    """Only studies from a list of candidates."""
    few: bool
    """The conditions leave so little that it is sorted, rather than read in order."""
    narrow: bool
    """Rows are sorted or skipped without their summaries; only those of the page bring them along."""
    levels: tuple[Level, ...]
    """Whose summaries are read."""
    examined: tuple[Level, ...]
    """Whose attributes are read to match keys without a column."""
    with_metadata: bool


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
        self._statement = lru_cache(maxsize=1024)(self._build)
        self._counting = lru_cache(maxsize=1024)(self._build_count)
        self._containing = {column: self._dialect.containing(column) for column in TEXT_COLUMNS}
        v = study_value.c
        self._having = (
            sa.select(v.study_id)
            .distinct()
            .where(v.tag == bindparam("tag"), v.value.in_(bindparam("values", expanding=True)))
            .limit(bindparam("most"))
        )

    def find(self, query: Query) -> Page:
        plan = _plan(query)
        with self._database.read() as connection:
            among = self._candidates(connection, plan)
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

    def _page(self, connection: Connection, query: Query, shape: _Shape, values: Values) -> tuple[list[Row[Any]], int]:
        page = {**values, "most": query.limit + 1, "start": query.offset}
        rows = list(connection.execute(self._statement(shape), page))
        if len(rows) <= query.limit:
            return rows, 0
        beyond = {**values, "most": COUNTED, "start": query.offset + query.limit}
        return rows[: query.limit], connection.execute(self._counting(shape), beyond).scalar_one()

    def _examine(
        self, connection: Connection, plan: _Plan, shape: _Shape, values: Values
    ) -> tuple[list[Row[Any]], int, tuple[str, ...]]:
        found: list[Row[Any]] = []
        enough = plan.query.offset + plan.query.limit
        for seen, rows in self._chunks(connection, shape, values):
            found += [row for row in rows if _has_others(row, plan, shape)]
            if len(found) > enough:
                break
            if seen >= EXAMINED:
                warning = f"The search was cut after {seen} entries; there may be more matches"
                return found[plan.query.offset : enough], 0, (warning,)
        return found[plan.query.offset : enough], max(0, len(found) - enough), ()

    def _chunks(
        self, connection: Connection, shape: _Shape, values: Values
    ) -> Iterator[tuple[int, Sequence[Row[Any]]]]:
        seen = 0
        while True:
            page = {**values, "most": _CHUNK, "start": seen}
            rows = connection.execute(self._statement(shape), page).all()
            seen += len(rows)
            yield seen, rows
            if len(rows) < _CHUNK:
                return

    def _candidates(self, connection: Connection, plan: _Plan) -> list[int] | None:
        """Studies that alone may match, by the first key that names few enough; None when none does."""
        if plan.query.study is not None or any(
            key.match in (Match.SINGLE, Match.LIST) and key.path[0] in _SELECTIVE for key in plan.indexed
        ):
            return None
        most = 0
        for key in plan.indexed:
            if not _has_candidates(key):
                continue
            most = most or self._worthwhile(connection, plan.query)
            found = self._studies_of(connection, key, most=most + 1)
            if len(found) <= most:
                return found
        return None

    def _worthwhile(self, connection: Connection, query: Query) -> int:
        """How many candidates cost as much as walking the newest studies: of n studies, n / candidates fill a line."""
        studies = connection.execute(_NEWEST_ID).scalar() or 0
        return min(CANDIDATES, math.isqrt((query.offset + query.limit) * studies) + 1)

    def _studies_of(self, connection: Connection, key: Key, *, most: int) -> list[int]:
        indexed = INDEXED[key.path[0]]
        if indexed.sort is Sort.SET:
            bound = {"tag": key.path[0], "values": list(key.values), "most": most}
            return list(dict.fromkeys(connection.execute(self._having, bound).scalars()))
        runs = self._dialect.runs(indexed.column, conditions.runs(key))
        return list(connection.execute(self._containing[indexed.column], {"runs": runs, "most": most}).scalars())

    def _values(self, plan: _Plan, among: list[int] | None) -> Values:
        query = plan.query
        values: Values = {"tenant": query.tenant, "study": query.study, "series": query.series}
        for n, key in enumerate(plan.indexed):
            values |= conditions.values(key, n, self._dialect)
        for n, interval in enumerate(plan.intervals):
            values |= conditions.interval_values(interval, n)
        if among is not None:
            values["among"] = self._dialect.ids(among)
        return values

    def _build(self, shape: _Shape) -> Select[Any]:
        found, order = self._conditions(shape), _order(shape)
        statement = sa.select(*_columns(shape)).select_from(_source(shape)).order_by(*order)
        if not shape.narrow:
            return _paged(statement.where(*found))
        row = conditions.TABLES[shape.level].c.id
        page = sa.select(row).select_from(_joined(shape.level)).where(*found)
        return statement.where(row.in_(_paged(page.order_by(*order))))

    def _build_count(self, shape: _Shape) -> Select[Any]:
        inner = sa.select(sa.literal(1)).select_from(_joined(shape.level)).where(*self._conditions(shape))
        return sa.select(sa.func.count()).select_from(_paged(inner).subquery())

    def _conditions(self, shape: _Shape) -> list[ColumnElement[bool]]:
        # With candidates, an expression again: else SQLite walks the tenant's studies and looks each up in their list.
        tenant = study.c.tenant + "" if shape.among else study.c.tenant
        found = [tenant == bindparam("tenant")]
        if shape.in_study:
            found.append(study.c.study_uid == bindparam("study"))
        if shape.in_series:
            found.append(series.c.series_uid == bindparam("series"))
        if shape.among:
            found.append(self._dialect.among(study.c.id, bindparam("among")))
        below: dict[Level, list[ColumnElement[bool]]] = {}
        for n, form in enumerate(shape.forms):
            level = INDEXED[form.tag].level
            here = conditions.condition(form, n, self._dialect)
            if LEVELS.index(level) <= LEVELS.index(shape.level):
                found.append(here)
            else:
                below.setdefault(level, []).append(here)
        found += [conditions.interval_condition(interval, n) for n, interval in enumerate(shape.intervals)]
        return found + ([_has_below(shape.level, below)] if below else [])


def _has_candidates(key: Key) -> bool:
    """Whether the index of substrings or of values below the study can answer ``key``."""
    indexed = INDEXED[key.path[0]]
    if indexed.sort is Sort.SET:
        return key.match in (Match.SINGLE, Match.LIST)
    is_text = key.match in (Match.WILDCARD, Match.FUZZY) or (indexed.sort is Sort.NAME and key.match is Match.SINGLE)
    return is_text and indexed.column in TEXT_COLUMNS and bool(conditions.runs(key))


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


def _shape(plan: _Plan, *, among: bool) -> _Shape:
    query = plan.query
    tags = [key.path[0] for key in plan.others] + [interval.date for interval in plan.other_intervals]
    examined = {level_of(tag) for tag in tags}
    few = among or any(key.match in (Match.SINGLE, Match.LIST) and key.path[0] in _SELECTIVE for key in plan.indexed)
    return _Shape(
        query.level,
        query.study is not None,
        query.series is not None,
        tuple(form for key in plan.indexed if (form := conditions.form_of(key))),
        tuple(both for interval in plan.intervals if (both := conditions.interval_of(interval))),
        among,
        few,
        few or query.offset > _SKIPPED or any(key.match in (Match.WILDCARD, Match.FUZZY) for key in plan.indexed),
        tuple(plan.wanted.levels),
        tuple(level for level in LEVELS if level in examined),
        plan.wanted.needs_metadata or Level.INSTANCE in examined,
    )


def _paged(statement: Select[Any]) -> Select[Any]:
    return statement.limit(bindparam("most")).offset(bindparam("start"))


def _columns(shape: _Shape) -> list[ColumnElement[Any]]:
    nearline = {
        Level.STUDY: study.c.nearline_count > 0,
        Level.SERIES: series.c.nearline_count > 0,
        Level.INSTANCE: instance.c.version.is_(None),
    }
    summary = {
        Level.STUDY: study_document.c.summary,
        Level.SERIES: series.c.summary,
        Level.INSTANCE: instance.c.summary,
    }
    attributes = {Level.STUDY: study_document.c.attributes, Level.SERIES: series.c.attributes}
    found: list[ColumnElement[Any]] = [nearline[shape.level].label("nearline")]
    found += [summary[level].label(f"{level}_summary") for level in shape.levels]
    found += [attributes[level].label(f"{level}_attributes") for level in shape.examined if level in attributes]
    return [*found, instance_metadata.c.body] if shape.with_metadata else found


def _joined(level: Level) -> FromClause:
    source: FromClause = study
    if level is not Level.STUDY:
        source = source.join(series, series.c.study_id == study.c.id)
    if level is Level.INSTANCE:
        source = source.join(instance, instance.c.series_id == series.c.id)
    return source


def _source(shape: _Shape) -> FromClause:
    source = _joined(shape.level)
    if Level.STUDY in (*shape.levels, *shape.examined):
        source = source.join(study_document, study_document.c.study_id == study.c.id)
    if shape.with_metadata:
        held = sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version)
        source = source.outerjoin(version, held)
        source = source.outerjoin(instance_metadata, instance_metadata.c.version_id == version.c.id)
    return source


def _order(shape: _Shape) -> list[ColumnElement[Any]]:
    """Q-42; missing dates sort last because they are ''."""
    date: ColumnElement[str] = study.c.study_date
    if shape.few:
        # An expression keeps SQLite from walking the index of dates where another index leaves next to nothing.
        date = date + ""
    order: list[ColumnElement[Any]] = []
    if not shape.in_study:
        order += [date.desc(), study.c.study_time.desc(), study.c.study_uid]
    if shape.level is not Level.STUDY:
        order += [series.c.series_number, series.c.series_uid]
    if shape.level is Level.INSTANCE:
        order += [instance.c.instance_number, instance.c.instance_uid]
    return order


def _has_below(level: Level, below: dict[Level, list[ColumnElement[bool]]]) -> ColumnElement[bool]:
    """A key of a lower level is true of what has a child with it; several of one child (Q-16)."""
    child = sa.select(sa.literal(1))
    both = [one for some in below.values() for one in some]
    if level is Level.SERIES:
        return sa.exists(child.select_from(instance).where(instance.c.series_id == series.c.id, *both))
    source: FromClause = series
    if Level.INSTANCE in below:
        source = series.join(instance, instance.c.series_id == series.c.id)
    return sa.exists(child.select_from(source).where(series.c.study_id == study.c.id, *both).correlate(study))


def _has_others(row: Row[Any], plan: _Plan, shape: _Shape) -> bool:
    dataset: dict[str, Any] = {}
    fields = row._mapping
    for level in shape.examined:
        text = fields["body"] if level is Level.INSTANCE else fields[f"{level}_attributes"]
        dataset |= orjson.loads(text) if text else {}
    return residual.matches(dataset, plan.others, plan.other_intervals)


def _match(row: Row[Any], wanted: Wanted, shape: _Shape) -> bytes:
    parts = zip(shape.levels, row[1 : 1 + len(shape.levels)], strict=True)
    body = row[-1] if shape.with_metadata else None
    return returned.match(wanted, parts, body, nearline=bool(row[0]))


_: type[Search] = SqlSearch
