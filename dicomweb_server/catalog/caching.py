"""What may leave again because its source can give it once more: who viewed what, and what goes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dicomweb_server.catalog.base import Cached, Caching
from dicomweb_server.catalog.changelog import ChangeLog
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.leaving import Leaving
from dicomweb_server.catalog.schema import instance, series, study, version
from dicomweb_server.catalog.scopes import within
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.states import State

VIEWED_STEP_SECONDS = 60.0
"""A view is written down again only when the last one is older: most requests of a series write nothing."""

_ALL = study.join(series, series.c.study_id == study.c.id).join(instance, instance.c.series_id == series.c.id)
_HERE = _ALL.join(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
_AGAIN = sa.and_(
    version.c.source.is_not(None),
    instance.c.source.is_not(None),
    instance.c.pinned.is_(sa.false()),
    instance.c.state.in_([int(State.STORED), int(State.READY)]),
)
"""Came from a source that announced it, so it can come from there again."""
_USED = sa.func.max(sa.case((instance.c.viewed > version.c.stored, instance.c.viewed), else_=version.c.stored))
"""What left and came back was last used when it came, if nobody has viewed it since."""


_SERIES = sa.select(series.c.id).where(
    series.c.series_uid == bindparam("e"),
    series.c.study_id
    == sa.select(study.c.id)
    .where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"))
    .scalar_subquery(),
)
_VIEWED = (
    sa.update(instance)
    .where(
        instance.c.series_id == _SERIES.scalar_subquery(),
        instance.c.source.is_not(None),
        sa.or_(instance.c.viewed.is_(None), instance.c.viewed < bindparam("before")),
    )
    .values(viewed=bindparam("now"))
)
_SIZE = sa.select(sa.func.coalesce(sa.func.sum(version.c.size), 0)).select_from(_HERE).where(_AGAIN)
_OLDEST = (
    sa.select(study.c.tenant, study.c.study_uid, series.c.series_uid, sa.func.sum(version.c.size), _USED)
    .select_from(_HERE)
    .where(_AGAIN)
    .group_by(study.c.tenant, study.c.study_uid, series.c.series_uid)
    .having(bindparam("before") > _USED)
    .order_by(_USED)
    .limit(bindparam("most"))
)


class SqlCaching:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._changes = ChangeLog(database.dialect)
        self._leaving = Leaving()
        self._lock = database.dialect.lock(
            sa.select(study.c.id).where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"))
        )

    def viewed(self, keys: Sequence[SeriesKey]) -> None:
        if not keys:
            return
        now = self._now()
        names = [
            {"t": key.tenant, "s": key.study, "e": key.series, "now": now, "before": now - VIEWED_STEP_SECONDS}
            for key in keys
        ]
        with self._database.write(durable=False) as connection:
            connection.execute(_VIEWED, names)

    def size(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute(_SIZE).scalar_one())

    def oldest(self, *, unused_since: float, limit: int = 100) -> list[Cached]:
        with self._database.read() as connection:
            rows = connection.execute(_OLDEST, {"before": unused_since, "most": limit}).all()
        return [
            Cached(SeriesKey(study_uid, series_uid, tenant), int(size), float(used))
            for tenant, study_uid, series_uid, size, used in rows
        ]

    def pin(self, scope: Scope, *, pinned: bool) -> int:
        chosen = sa.select(instance.c.id).select_from(_ALL).where(within(scope))
        with self._database.write() as connection:
            done = connection.execute(
                sa.update(instance).where(instance.c.id.in_(chosen)).values(pinned=pinned).returning(instance.c.id)
            )
            return len(done.all())

    def evict(self, scope: Scope) -> list[str]:
        with self._database.write() as connection:
            connection.execute(self._lock, {"t": scope.tenant, "s": scope.study}).all()
            rows = connection.execute(_leaving(scope)).all()
            if not rows:
                return []
            keys = self._leaving(connection, rows, State.ANNOUNCED)
            left = [InstanceKey(scope.study, row.series_uid, row.instance_uid, scope.tenant) for row in rows]
            self._changes.add(connection, left, at=self._now())
            touched = dict.fromkeys(key.of_series for key in left)
            self._database.enqueue(connection, [Ticket(Kind.RECONCILE, key) for key in touched])
        return keys


def _leaving(scope: Scope) -> sa.Select[tuple[int, str, int, str, int]]:
    return (
        sa.select(instance.c.id, instance.c.instance_uid, instance.c.series_id, series.c.series_uid, series.c.study_id)
        .select_from(_HERE)
        .where(_AGAIN, within(scope))
    )


_: type[Caching] = SqlCaching
