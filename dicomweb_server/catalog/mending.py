"""What an operator, and the sweep, may do to what is stuck, lost or out of date."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dicomweb_server.catalog.base import Due, Mending, Reread
from dicomweb_server.catalog.changelog import ChangeLog
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.leaving import Leaving
from dicomweb_server.catalog.rederiving import Rederiving
from dicomweb_server.catalog.schema import instance, lease, series, study, ticket, tombstone, version
from dicomweb_server.catalog.scopes import tickets_within, within
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.states import State

_ALL = study.join(series, series.c.study_id == study.c.id).join(instance, instance.c.series_id == series.c.id)
FAR_SECONDS = 7 * 86_400.0
"""Nobody takes a lease for so long: it was given before the clock was set back."""

_UIDS = (study.c.study_uid, series.c.series_uid, instance.c.instance_uid, study.c.tenant)
_PLACE = sa.select(
    instance.c.id,
    instance.c.series_id,
    series.c.study_id,
    instance.c.version.label("current"),
    version.c.version,
    version.c.id.label("version_id"),
).select_from(_ALL.join(version, version.c.instance_id == instance.c.id))
_ARRIVING = (int(State.QUEUED), int(State.FETCHING))


class SqlMending:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._rederiving = Rederiving(database.dialect, database.extra)
        self._leaving = Leaving()
        self._changes = ChangeLog(database.dialect)
        self._lock = database.dialect.lock(
            sa.select(study.c.id).where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"))
        )

    def studies(self) -> list[StudyKey]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(study.c.study_uid, study.c.tenant).order_by(study.c.id)).all()
        return [StudyKey(row.study_uid, row.tenant) for row in rows]

    def rederive(self, key: StudyKey, found: Sequence[Reread]) -> int:
        with self._database.write() as connection:
            tickets = self._rederiving.rederive(connection, key, found, now=self._now())
            self._database.enqueue(connection, tickets)
        return len(tickets)

    def lose(self, key: InstanceKey, object_key: str, *, reason: str) -> bool:
        with self._database.write() as connection:
            connection.execute(self._lock, {"t": key.tenant, "s": key.study}).all()
            row = connection.execute(_PLACE.where(within(key), version.c.object_key == object_key)).one_or_none()
            if row is None or row.current != row.version:
                if row is not None:
                    connection.execute(sa.delete(version).where(version.c.id == row.version_id))
                return False
            self._leaving(connection, [row], State.FAILED, reason=reason)
            self._database.enqueue(connection, [Ticket(Kind.RECONCILE, key.of_series)])
            self._changes.add(connection, [key], at=self._now())
        return True

    def forget_document(self, key: SeriesKey, object_key: str) -> bool:
        with self._database.write() as connection:
            named = sa.select(series.c.id).select_from(study.join(series)).where(within(key))
            gone = connection.execute(
                sa.update(series)
                .where(series.c.id.in_(named), series.c.document_key == object_key)
                .values(
                    revision=series.c.revision + 1,
                    document_key=None,
                    document_etag=None,
                    document_instances=None,
                    completed=None,
                )
                .returning(series.c.id)
            ).all()
            if gone:
                self._database.enqueue(connection, [Ticket(Kind.RECONCILE, key)])
                self._changes.add(connection, [key], at=self._now())
        return bool(gone)

    def cancel(self, scope: Scope) -> int:
        with self._database.write() as connection:
            chosen = sa.select(instance.c.id).select_from(_ALL).where(within(scope), instance.c.state == _ARRIVING[0])
            rows = connection.execute(
                sa.update(instance)
                .where(instance.c.id.in_(chosen), instance.c.version.is_(None))
                .values(state=int(State.ANNOUNCED))
                .returning(instance.c.id)
            ).all()
            connection.execute(
                sa.delete(ticket).where(
                    tickets_within(scope),
                    ticket.c.kind.in_([Kind.FETCH.value, Kind.CACHE_SERIES.value]),
                    ticket.c.worker.is_(None),
                    ticket.c.died.is_(None),
                )
            )
        return len(rows)

    def retry(self, scope: Scope) -> int:
        with self._database.write() as connection:
            failed = connection.execute(
                sa.select(instance.c.id, instance.c.version, instance.c.source, *_UIDS)
                .select_from(_ALL)
                .where(within(scope), instance.c.state == int(State.FAILED))
            ).all()
            again = [row for row in failed if row.version is not None]
            anew = [row for row in failed if row.version is None and row.source is not None]
            for rows, state in ((again, State.STORED), (anew, State.QUEUED)):
                connection.execute(
                    sa.update(instance)
                    .where(instance.c.id.in_([row.id for row in rows]))
                    .values(state=int(state), attempts=0, reason=None)
                )
            connection.execute(sa.delete(ticket).where(tickets_within(scope), ticket.c.died.is_not(None)))
            tickets = [Ticket(Kind.PREPROCESS, _key(row)) for row in again]
            tickets += [Ticket(Kind.FETCH, _key(row), Band.EAGER) for row in anew]
            self._database.enqueue(connection, tickets)
        return len(again) + len(anew)

    def due(self, scope: Scope) -> dict[InstanceKey, Due]:
        found = sa.select(
            ticket.c.study_uid,
            ticket.c.series_uid,
            ticket.c.instance_uid,
            ticket.c.tenant,
            ticket.c.not_before,
            ticket.c.worker,
            ticket.c.attempt,
            ticket.c.reason,
        ).where(tickets_within(scope), ticket.c.instance_uid != "", ticket.c.died.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(found).all()
        return {
            _key(row): Due(None if row.worker is not None else row.not_before, row.attempt, row.reason) for row in rows
        }

    def next_due(self, key: StudyKey) -> dict[str, float]:
        waiting = sa.and_(
            tickets_within(key), ticket.c.series_uid != "", ticket.c.worker.is_(None), ticket.c.died.is_(None)
        )
        first = sa.select(ticket.c.series_uid, sa.func.min(ticket.c.not_before)).where(waiting)
        with self._database.read() as connection:
            return dict(map(tuple, connection.execute(first.group_by(ticket.c.series_uid))))

    def take_lease(self, name: str, holder: str, *, seconds: float) -> bool:
        now = self._now()
        with self._database.write(durable=False) as connection:
            put = self._database.dialect.insert(lease).on_conflict_do_nothing()
            connection.execute(put, {"name": name, "holder": "", "until": 0.0})
            taken = connection.execute(
                sa.update(lease)
                .where(
                    lease.c.name == name,
                    sa.or_(lease.c.until <= now, lease.c.until > now + FAR_SECONDS, lease.c.holder == holder),
                )
                .values(holder=holder, until=now + seconds)
                .returning(lease.c.name)
            ).all()
        return bool(taken)

    def forget_tombstones(self, *, before: float) -> int:
        with self._database.write() as connection:
            return connection.execute(sa.delete(tombstone).where(tombstone.c.deleted < before)).rowcount

    def stuck(self, *, before: float, limit: int = 100) -> list[SeriesKey]:
        waits = sa.exists().where(instance.c.series_id == series.c.id, instance.c.state.in_(_ARRIVING))
        statement = (
            sa.select(study.c.study_uid, series.c.series_uid, study.c.tenant)
            .select_from(study.join(series, series.c.study_id == study.c.id))
            .where(waits, series.c.last_arrival < before, study.c.updated < before)
            .order_by(series.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [SeriesKey(*row) for row in connection.execute(statement)]


def _key(row: Any) -> InstanceKey:
    return InstanceKey(row.study_uid, row.series_uid, row.instance_uid, row.tenant)


_: type[Mending] = SqlMending
