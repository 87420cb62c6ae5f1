"""What is stored, and how to find it by key."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select, bindparam

from dicomweb_server.catalog.base import Holdings, NewVersion, SeriesProgress
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.deleting import Deleting
from dicomweb_server.catalog.schema import NO_NUMBER, instance, instance_metadata, series, study, tombstone, version
from dicomweb_server.catalog.storing import Storing
from dicomweb_server.model.errors import BackendFailed, Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey, uids
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.query import Level
from dicomweb_server.model.records import SeriesDocument, Version
from dicomweb_server.model.states import State

STORE_ATTEMPTS = 3
"""Two transactions of PostgreSQL may lock each other out; one of them is told to try again."""

_HELD = (
    study.join(series, series.c.study_id == study.c.id)
    .join(instance, instance.c.series_id == series.c.id)
    .join(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
)
_IN_STUDY = sa.and_(study.c.tenant == bindparam("tenant"), study.c.study_uid == bindparam("study"))
_IN_SERIES = sa.and_(_IN_STUDY, series.c.series_uid == bindparam("series"))
_IN_INSTANCE = sa.and_(_IN_SERIES, instance.c.instance_uid == bindparam("instance"))
_WITHIN: dict[Level, ColumnElement[bool]] = {
    Level.STUDY: _IN_STUDY,
    Level.SERIES: _IN_SERIES,
    Level.INSTANCE: _IN_INSTANCE,
}
_ORDER = (series.c.series_number, series.c.series_uid, instance.c.instance_number, instance.c.instance_uid)
_VERSION = (
    series.c.series_uid,
    instance.c.instance_uid,
    version.c.version,
    version.c.object_key,
    version.c.size,
    version.c.digest,
    version.c.sop_class,
    version.c.transfer_syntax,
    version.c.frames,
    version.c.frame_count,
)
"""UIDs below the study, then the fields of ``Version`` in their order."""
_VERSIONS = {
    level: sa.select(*_VERSION).select_from(_HELD).where(within).order_by(*_ORDER) for level, within in _WITHIN.items()
}
_METADATA = {
    level: sa.select(instance_metadata.c.body)
    .select_from(_HELD.join(instance_metadata, instance_metadata.c.version_id == version.c.id))
    .where(within)
    .order_by(*_ORDER)
    for level, within in _WITHIN.items()
}
_THERE: dict[Level, Select[Any]] = {
    Level.STUDY: sa.select(study.c.id).where(_IN_STUDY),
    Level.SERIES: sa.select(series.c.id).select_from(study.join(series)).where(_IN_SERIES),
}
_PROGRESS: dict[Level, Select[Any]] = {
    level: sa.select(
        series.c.id,
        series.c.series_uid,
        series.c.pushed_count,
        series.c.last_arrival,
        series.c.revision,
        series.c.document_key,
        series.c.document_etag,
        series.c.document_instances,
        series.c.series_number,
        series.c.slice_count,
        series.c.representative,
    )
    .select_from(study.join(series))
    .where(within)
    .order_by(series.c.series_number, series.c.series_uid)
    for level, within in _WITHIN.items()
    if level is not Level.INSTANCE
}
_COUNTS = (
    sa.select(instance.c.series_id, instance.c.state, sa.func.count())
    .where(instance.c.series_id.in_(bindparam("ids", expanding=True)))
    .group_by(instance.c.series_id, instance.c.state)
)
_GONE = (
    sa.select(tombstone.c.deleted)
    .where(
        tombstone.c.tenant == bindparam("tenant"),
        tombstone.c.study_uid == bindparam("study"),
        tombstone.c.series_uid == bindparam("series"),
        tombstone.c.instance_uid == bindparam("instance"),
    )
    .limit(1)
)


class SqlHoldings:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        dialect = self._dialect = database.dialect
        asked = dialect.among(instance.c.instance_uid, bindparam("instances"))
        self._current = dialect.prepared(sa.select(*_VERSION).select_from(_HELD).where(_IN_SERIES, asked))
        self._storing = Storing(dialect, database.extra)
        self._deleting = Deleting(database.dialect, self._storing)

    def current(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, Version]:
        found: dict[InstanceKey, Version] = {}
        ordered = sorted(set(keys), key=lambda key: (key.tenant, key))
        with self._database.read() as connection:
            for above, some in groupby(ordered, key=lambda key: key.of_series):
                names = {**_names(above), "instances": self._dialect.listed([key.instance for key in some])}
                for row in self._current(connection, names):
                    held = _version(above, row)
                    found[held.key] = held
        return found

    def store(self, batch: Sequence[NewVersion], *, tickets: Sequence[Ticket] = ()) -> list[bool]:
        for attempt in range(1, STORE_ATTEMPTS + 1):
            try:
                return self._store(batch, tickets)
            except BackendFailed as error:
                if attempt == STORE_ATTEMPTS or not error.passing or self._database.dialect.name == "sqlite":
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _store(self, batch: Sequence[NewVersion], tickets: Sequence[Ticket]) -> list[bool]:
        with self._database.write() as connection:
            self._database.enqueue(connection, tickets)
            return self._storing(connection, batch, now=self._now())

    def version(self, key: InstanceKey) -> Version:
        with self._database.read() as connection:
            row = connection.execute(_VERSIONS[Level.INSTANCE], _names(key)).one_or_none()
            if row is None:
                raise _missing(connection, key)
        return _version(key, row)

    def versions(self, scope: Scope) -> list[Version]:
        with self._database.read() as connection:
            rows = connection.execute(_VERSIONS[level(scope)], _names(scope)).all()
            if not rows:
                self._check_there(connection, scope)
        return [_version(scope, row) for row in rows]

    def metadata(self, scope: Scope) -> list[bytes]:
        with self._database.read() as connection:
            rows = connection.execute(_METADATA[level(scope)], _names(scope)).scalars().all()
            if not rows:
                self._check_there(connection, scope)
        return list(rows)

    def series_progress(self, key: SeriesKey) -> SeriesProgress:
        with self._database.read() as connection:
            found = _progress(connection, key)
            if not found:
                raise _missing(connection, key)
        return found[0]

    def series_of(self, key: StudyKey) -> list[SeriesProgress]:
        with self._database.read() as connection:
            found = _progress(connection, key)
            if not found:
                raise _missing(connection, key)
        return found

    def delete(self, scope: Scope, *, reason: str, tombstone: bool = True) -> list[str]:
        with self._database.write() as connection:
            freed = self._deleting(connection, scope, reason=reason if tombstone else None, now=self._now())
            if freed is None:
                raise _missing(connection, scope)
        return freed

    def _check_there(self, connection: Connection, scope: Scope) -> None:
        """A study or series known by its announced instances only is there, and empty."""
        there = _THERE.get(level(scope))
        if there is None or connection.execute(there, _names(scope)).first() is None:
            raise _missing(connection, scope)


def level(scope: Scope) -> Level:
    if isinstance(scope, InstanceKey):
        return Level.INSTANCE
    return Level.SERIES if isinstance(scope, SeriesKey) else Level.STUDY


def _names(scope: Scope) -> dict[str, Any]:
    names: dict[str, Any] = {"tenant": scope.tenant, "study": scope.study}
    if isinstance(scope, SeriesKey | InstanceKey):
        names["series"] = scope.series
    if isinstance(scope, InstanceKey):
        names["instance"] = scope.instance
    return names


def _version(scope: Scope, row: Sequence[Any]) -> Version:
    series_uid, instance_uid, *rest = row
    return Version(InstanceKey(scope.study, series_uid, instance_uid, scope.tenant), *rest)


def _progress(connection: Connection, scope: SeriesKey | StudyKey) -> list[SeriesProgress]:
    rows = connection.execute(_PROGRESS[level(scope)], _names(scope)).all()
    counts: dict[int, dict[State, int]] = {row.id: {} for row in rows}
    if rows:
        for series_id, state, count in connection.execute(_COUNTS, {"ids": list(counts)}):
            counts[series_id][State(state)] = count
    found = []
    for row in rows:
        key = SeriesKey(scope.study, row.series_uid, scope.tenant)
        document = None
        if row.document_key is not None:
            document = SeriesDocument(key, row.document_key, row.document_etag, row.document_instances)
        found.append(
            SeriesProgress(
                key,
                counts[row.id],
                row.pushed_count > 0,
                row.last_arrival,
                document,
                row.revision,
                number=None if row.series_number == NO_NUMBER else row.series_number,
                slices=row.slice_count,
                representative=row.representative,
            )
        )
    return found


def _missing(connection: Connection, scope: Scope) -> NotFound:
    what = level(scope).value
    names = uids(scope)
    key = dict(zip(("study", "series", "instance"), names, strict=True))
    if connection.execute(_GONE, {"tenant": scope.tenant, **key}).first() is not None:
        return Gone(f"{what} {names[-1] or names[-2] or names[-3]} was deleted")
    return NotFound(f"no {what} {names[-1] or names[-2] or names[-3]}")


_: type[Holdings] = SqlHoldings
