"""The SQL statement of a search: built once for each form of query, its values bound at each run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, bindparam

from dicomweb_server.catalog import conditions
from dicomweb_server.catalog.attributes import INDEXED
from dicomweb_server.catalog.conditions import Form, Interval
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.returned import LEVELS
from dicomweb_server.catalog.schema import instance, instance_metadata, series, study, study_document, version
from dicomweb_server.model.query import Level


@dataclass(frozen=True, slots=True)
class Shape:
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


_NEARLINE = {
    Level.STUDY: study.c.nearline_count > 0,
    Level.SERIES: series.c.nearline_count > 0,
    Level.INSTANCE: instance.c.version.is_(None),
}


def page_of(shape: Shape, dialect: Dialect) -> Select[Any]:
    found, order = _conditions(shape, dialect), _order(shape)
    statement = sa.select(*_columns(shape)).select_from(_source(shape)).order_by(*order)
    if not shape.narrow:
        return _paged(statement.where(*found))
    row = conditions.TABLES[shape.level].c.id
    page = sa.select(row).select_from(_joined(shape.level)).where(*found)
    return statement.where(row.in_(_paged(page.order_by(*order))))


def count_of(shape: Shape, dialect: Dialect) -> Select[Any]:
    inner = sa.select(sa.literal(1)).select_from(_joined(shape.level)).where(*_conditions(shape, dialect))
    if not shape.few:
        # As the page is walked: in the order of names, say, the first match may come after all other studies.
        inner = inner.order_by(*_order(shape))
    return sa.select(sa.func.count()).select_from(_paged(inner).subquery())


def _conditions(shape: Shape, dialect: Dialect) -> list[ColumnElement[bool]]:
    # With candidates, an expression again: else SQLite walks the tenant's studies and looks each up in their list.
    tenant = study.c.tenant + "" if shape.among else study.c.tenant
    found = [tenant == bindparam("tenant")]
    if shape.in_study:
        found.append(study.c.study_uid == bindparam("study"))
    if shape.in_series:
        found.append(series.c.series_uid == bindparam("series"))
    if shape.among:
        found.append(dialect.among(study.c.id, bindparam("among")))
    below: dict[Level, list[ColumnElement[bool]]] = {}
    for n, form in enumerate(shape.forms):
        if form.tag == conditions.AVAILABILITY_TAG:
            found.append(conditions.availability(form, _NEARLINE[shape.level]))
            continue
        level = INDEXED[form.tag].level
        here = conditions.condition(form, n, dialect)
        if LEVELS.index(level) <= LEVELS.index(shape.level):
            found.append(here)
        else:
            below.setdefault(level, []).append(here)
    found += [conditions.interval_condition(interval, n) for n, interval in enumerate(shape.intervals)]
    return found + ([_has_below(shape.level, below)] if below else [])


def _paged(statement: Select[Any]) -> Select[Any]:
    return statement.limit(bindparam("most")).offset(bindparam("start"))


def _columns(shape: Shape) -> list[ColumnElement[Any]]:
    summary = {
        Level.STUDY: study_document.c.summary,
        Level.SERIES: series.c.summary,
        Level.INSTANCE: instance.c.summary,
    }
    attributes = {Level.STUDY: study_document.c.attributes, Level.SERIES: series.c.attributes}
    found: list[ColumnElement[Any]] = [_NEARLINE[shape.level].label("nearline")]
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


def _source(shape: Shape) -> FromClause:
    source = _joined(shape.level)
    if Level.STUDY in (*shape.levels, *shape.examined):
        source = source.join(study_document, study_document.c.study_id == study.c.id)
    if shape.with_metadata:
        held = sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version)
        source = source.outerjoin(version, held)
        source = source.outerjoin(instance_metadata, instance_metadata.c.version_id == version.c.id)
    return source


def _order(shape: Shape) -> list[ColumnElement[Any]]:
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
