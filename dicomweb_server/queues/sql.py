"""Tickets in the catalog's own database, so that a store and its work are one transaction.

A ticket is waiting, leased or dead; a row says which by its worker and its day of death. Of equal waiting tickets there
is one; while one is leased, an equal one may be put and waits for its turn.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, Select, bindparam

from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey, uids
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.queues.base import FAR_SECONDS, DeadLetter, Queue, QueueStats

TOGETHER = 500
"""Tickets put in one transaction."""


class Rows(Protocol):
    """What the queue needs of a Dialect."""

    def lock_free(self, statement: Select[Any]) -> Select[Any]: ...


class Enqueue(Protocol):
    """Writes tickets within a transaction."""

    def __call__(self, connection: Connection, tickets: Sequence[Ticket]) -> None: ...

    def missing(self, connection: Connection, tickets: Sequence[Ticket]) -> int: ...


class Database(Protocol):
    """What the queue needs of the catalog's database."""

    @property
    def dialect(self) -> Rows: ...

    def write(self, *, durable: bool = True) -> AbstractContextManager[Connection]: ...

    def read(self) -> AbstractContextManager[Connection]: ...

    @property
    def enqueue(self) -> Enqueue: ...


_IDENTITY = "id kind tenant study_uid series_uid instance_uid"
_COURSE = "band turn not_before created attempt worker lease_until reason died"
_ticket = sa.table("ticket", *(sa.column(name) for name in f"{_IDENTITY} {_COURSE}".split()))
"""The catalog owns the table and its migrations; this is the view of it that the queue works with."""

_c = _ticket.c
_WAITING = sa.and_(_c.worker.is_(None), _c.died.is_(None))
_HELD_OR_DEAD = sa.or_(_c.worker.is_not(None), _c.died.is_not(None))
_TIMELY = sa.or_(_c.not_before <= bindparam("now"), _c.not_before > bindparam("far"))
_DUE = sa.and_(_WAITING, _TIMELY)
_LAPSED = sa.and_(
    _c.worker.is_not(None),
    sa.or_(_c.lease_until < bindparam("now"), _c.lease_until > bindparam("far")),
    _c.kind.in_(bindparam("kinds", expanding=True)),
)
# Figures of a long queue come from indexes: ``ix_ticket_next`` holds kind, band and not_before of what waits, in its
# order; of what was put without a delay, the first is the oldest.
_BY_LANE = (
    sa.select(_c.kind, _c.band, sa.func.count().filter(_TIMELY), sa.func.count())
    .where(_WAITING)
    .group_by(_c.kind, _c.band)
)
_LEASED = sa.select(sa.func.count()).where(_c.worker.is_not(None))
_DEAD = sa.select(sa.func.count()).where(_c.died.is_not(None))
_FIRST_PUT = sa.select(_c.created).where(_WAITING, _c.not_before <= 0).order_by(_c.id).limit(1)
_FIRST_DUE = sa.select(
    sa.func.min(sa.case((_c.not_before > _c.created, _c.not_before), else_=_c.created)),
).where(_DUE, _c.not_before > 0)
_OF_KIND = sa.and_(_DUE, _c.kind == bindparam("kind"))
_KEY = (_c.kind, _c.tenant, _c.study_uid, _c.series_uid, _c.instance_uid)
_TICKET = (*_KEY, _c.band, _c.not_before)
_MINE = sa.and_(_c.id == bindparam("row"), _c.worker == bindparam("holder"), _c.attempt == bindparam("tries"))


class SqlQueue:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        free = database.dialect.lock_free
        self._lapsed = free(sa.select(_c.id).where(_LAPSED).order_by(_c.lease_until, _c.id).limit(1))
        # One kind at a time: its tickets lie in their order in an index, those of several kinds do not.
        first = sa.select(_c.band, _c.turn, _c.id).where(_OF_KIND).order_by(_c.band, _c.turn, _c.id)
        self._due = free(first.limit(bindparam("most")))
        self._any_due = sa.select(sa.exists(sa.select(_c.id).where(_OF_KIND)))
        self._any_lapsed = sa.select(sa.exists(sa.select(_c.id).where(_LAPSED)))
        self._lease = (
            sa.update(_ticket)
            .where(_c.id.in_(bindparam("ids", expanding=True)))
            .values(worker=bindparam("holder"), lease_until=bindparam("until"), attempt=_c.attempt + 1)
            .returning(_c.id, *_TICKET, _c.attempt, _c.turn)
        )
        self._extend = (
            sa.update(_ticket)
            .where(_c.worker == bindparam("holder"), _c.lease_until >= bindparam("now"))
            .values(lease_until=bindparam("until"))
        )
        self._done = sa.delete(_ticket).where(_MINE)
        self._lock_dead = free(
            sa.select(_c.id, *_TICKET).where(_c.died.is_not(None), _c.id.in_(bindparam("ids", expanding=True)))
        )

    def put(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            with self._database.write() as connection:
                self._database.enqueue(connection, tickets)

    def put_missing(self, tickets: Sequence[Ticket]) -> int:
        with self._database.read() as connection:
            known = {(row.kind, _scope(row)) for row in connection.execute(sa.select(*_KEY).where(_HELD_OR_DEAD))}
        lost = [each for each in tickets if (each.kind.value, each.key) not in known]
        queued = 0
        for start in range(0, len(lost), TOGETHER):
            with self._database.write() as connection:
                queued += self._database.enqueue.missing(connection, lost[start : start + TOGETHER])
        return queued

    def take(self, worker: str, *, kinds: Sequence[Kind], limit: int, lease_seconds: float) -> list[Lease]:
        now = self._now()
        moment: dict[str, Any] = {"now": now, "far": now + FAR_SECONDS, "kinds": [kind.value for kind in kinds]}
        if limit < 1 or not self._has_any(moment):
            return []
        with self._database.write(durable=False) as connection:
            ids = self._chosen(connection, moment, limit)
            bound = {"ids": ids, "holder": worker, "until": now + lease_seconds}
            rows = list(connection.execute(self._lease, bound)) if ids else []
        rows.sort(key=lambda row: (row.band, row.turn, row.id))
        return [Lease(f"{row.id}:{worker}", _ticket_of(row), row.attempt, now + lease_seconds) for row in rows]

    def extend(self, worker: str, *, lease_seconds: float) -> int:
        now = self._now()
        bound = {"holder": worker, "now": now, "until": now + lease_seconds}
        with self._database.write(durable=False) as connection:
            return connection.execute(self._extend, bound).rowcount

    def done(self, leases: Sequence[Lease]) -> None:
        if leases:
            with self._database.write(durable=False) as connection:
                connection.execute(self._done, [_mine(lease) for lease in leases])

    def retry(self, lease: Lease, *, delay_seconds: float, reason: str) -> None:
        with self._database.write(durable=False) as connection:
            held = connection.execute(sa.select(_c.id).where(_MINE), _mine(lease)).first()
            if held is None:
                return
            if self._has_twin(connection, lease.ticket):
                connection.execute(self._done, _mine(lease))
                return
            given_back = {"worker": None, "lease_until": None, "reason": reason}
            connection.execute(
                sa.update(_ticket).where(_MINE).values(**given_back, not_before=self._now() + delay_seconds),
                _mine(lease),
            )

    def bury(self, lease: Lease, *, reason: str) -> None:
        with self._database.write() as connection:
            dead = {"worker": None, "lease_until": None, "reason": reason, "died": self._now()}
            connection.execute(sa.update(_ticket).where(_MINE).values(**dead), _mine(lease))

    def dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        statement = sa.select(_c.id, *_TICKET, _c.attempt, _c.reason, _c.died).where(_c.died.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(_c.died, _c.id).limit(limit).offset(offset)).all()
        return [DeadLetter(row.id, _ticket_of(row), row.attempt, row.reason or "", row.died) for row in rows]

    def redrive(self, ids: Sequence[int | str]) -> int:
        with self._database.write() as connection:
            rows = connection.execute(self._lock_dead, {"ids": [int(name) for name in ids]}).all()
            if rows:
                connection.execute(sa.delete(_ticket).where(_c.id.in_([row.id for row in rows])))
                tickets = [_ticket_of(row) for row in rows]
                self._database.enqueue(connection, [Ticket(one.kind, one.key, one.band) for one in tickets])
        return len(rows)

    def drop(self, ids: Sequence[int | str]) -> int:
        dead = sa.delete(_ticket).where(_c.died.is_not(None), _c.id.in_([int(name) for name in ids]))
        with self._database.write() as connection:
            return connection.execute(dead).rowcount

    def stats(self) -> QueueStats:
        now = self._now()
        moment = {"now": now, "far": now + FAR_SECONDS}
        with self._database.read() as connection:
            lanes = connection.execute(_BY_LANE, moment).all()
            leased, dead = (connection.execute(count).scalar_one() for count in (_LEASED, _DEAD))
            firsts = [connection.execute(first, moment).scalar() for first in (_FIRST_PUT, _FIRST_DUE)]
        waiting: Counter[Band] = Counter()
        for _, band, due, _ in lanes:
            waiting[Band(band)] += due
        delayed = sum(count - due for _, _, due, count in lanes)
        oldest = min((first for first in firsts if first is not None), default=now)
        return QueueStats(dict(+waiting), delayed, leased, dead, max(0.0, now - oldest))

    def _has_any(self, moment: Mapping[str, Any]) -> bool:
        """Looked for without a lock: most workers find nothing, most of the time."""
        with self._database.read() as connection:
            return bool(connection.execute(self._any_lapsed, moment).scalar()) or any(
                connection.execute(self._any_due, {**moment, "kind": kind}).scalar() for kind in moment["kinds"]
            )

    def _chosen(self, connection: Connection, moment: Mapping[str, Any], limit: int) -> list[int]:
        lapsed = connection.execute(self._lapsed, moment).scalar()
        if lapsed is not None:
            return [lapsed]
        found = [
            tuple(row)
            for kind in moment["kinds"]
            for row in connection.execute(self._due, {**moment, "kind": kind, "most": limit})
        ]
        return [row_id for _, _, row_id in sorted(found)[:limit]]

    def _has_twin(self, connection: Connection, ticket: Ticket) -> bool:
        same = zip(_KEY, (ticket.kind.value, ticket.key.tenant, *uids(ticket.key)), strict=True)
        statement = sa.select(_c.id).where(_WAITING, *(column == value for column, value in same))
        return connection.execute(statement).first() is not None


def open_queue(database: Database) -> SqlQueue:
    """On the catalog's database (``SqlCatalog.database``)."""
    return SqlQueue(database)


def _mine(lease: Lease) -> dict[str, Any]:
    row, _, worker = str(lease.id).partition(":")
    return {"row": int(row), "holder": worker, "tries": lease.attempt}


def _ticket_of(row: Any) -> Ticket:
    return Ticket(Kind(row.kind), _scope(row), Band(row.band), row.not_before)


def _scope(row: Any) -> Scope:
    if row.instance_uid:
        return InstanceKey(row.study_uid, row.series_uid, row.instance_uid, row.tenant)
    if row.series_uid:
        return SeriesKey(row.study_uid, row.series_uid, row.tenant)
    return StudyKey(row.study_uid, row.tenant)


_: type[Queue] = SqlQueue
