"""Where every instance stands, and which series are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.base import Progress, Standing, Trouble
from dicomweb_server.catalog.changelog import ChangeLog
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.rolling import Rolling, representative
from dicomweb_server.catalog.schema import instance, series, study
from dicomweb_server.catalog.scopes import within
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import SeriesDocument, Version
from dicomweb_server.model.states import State, may_move

_SERIES_ID = (
    sa.select(series.c.id)
    .select_from(study.join(series))
    .where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"), series.c.series_uid == bindparam("e"))
    .scalar_subquery()
)
_THIS = sa.and_(instance.c.series_id == _SERIES_ID, instance.c.instance_uid == bindparam("i"))
_MOVE = (
    sa.update(instance)
    .where(_THIS, instance.c.state.in_(bindparam("from", expanding=True)))
    .values(
        state=bindparam("to"),
        reason=bindparam("why"),
        attempts=sa.func.coalesce(bindparam("tried", type_=sa.Integer), instance.c.attempts),
    )
    .returning(instance.c.series_id)
)
_CURRENT = sa.select(instance.c.state).where(_THIS, instance.c.version == bindparam("v"))
_TOUCH = sa.update(series).where(series.c.id == bindparam("row")).values(revision=series.c.revision + 1)
_SETTLE = (
    sa.update(series)
    .where(series.c.id == _SERIES_ID, series.c.revision == bindparam("seen"), series.c.document_key.is_(None))
    .values(
        document_key=bindparam("name"),
        document_etag=bindparam("tag"),
        document_instances=bindparam("count"),
        slice_count=bindparam("count"),
        completed=bindparam("now"),
    )
    .returning(series.c.id)
)
_ALL = study.join(series).join(instance, instance.c.series_id == series.c.id)
_STANDING = sa.select(
    study.c.study_uid,
    series.c.series_uid,
    instance.c.instance_uid,
    study.c.tenant,
    instance.c.state,
    instance.c.version,
    instance.c.attempts,
    instance.c.reason,
    instance.c.source,
).select_from(_ALL)
_ORDER = (series.c.series_number, series.c.series_uid, instance.c.instance_number, instance.c.instance_uid)
_TROUBLES = (
    sa.select(series.c.series_uid, instance.c.reason, sa.func.count(), sa.func.max(instance.c.attempts))
    .select_from(_ALL)
    .where(instance.c.reason.is_not(None))
    .group_by(series.c.id, series.c.series_uid, instance.c.reason)
    .order_by(series.c.id, instance.c.reason)
)
LONGEST_REASON = 500
_QUIET = frozenset({State.STORED, State.READY})
"""A move between these changes nothing that is listed or served of the series."""


class SqlProgress:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._changes = ChangeLog(database.dialect)
        self._rolling = Rolling(database.dialect)

    def move(self, key: InstanceKey, to: State, *, only_from: Sequence[State], reason: str | None = None) -> bool:
        with self._database.write(durable=False) as connection:
            moved = _moved(connection, key, to, only_from, reason)
            self._follow(connection, [key] if moved else [])
        return moved

    def move_all(self, keys: Sequence[InstanceKey], to: State, *, only_from: Sequence[State]) -> list[bool]:
        with self._database.write(durable=False) as connection:
            moved = [_moved(connection, key, to, only_from, None) for key in keys]
            self._follow(connection, [key for key, done in zip(keys, moved, strict=True) if done])
        return moved

    def fail(self, keys: Sequence[InstanceKey], only_from: Sequence[State], *, reason: str, attempts: int) -> None:
        with self._database.write(durable=False) as connection:
            moved = [
                _moved(connection, key, State.FAILED, only_from, reason[:LONGEST_REASON], attempts) for key in keys
            ]
            self._follow(connection, [key for key, done in zip(keys, moved, strict=True) if done])

    def drawn(self, versions: Sequence[Version], reasons: Mapping[InstanceKey, str]) -> list[bool]:
        answers, moved = [], []
        with self._database.write(durable=False) as connection:
            for each in versions:
                names = {**_names(each.key), "v": each.version}
                state = connection.execute(_CURRENT, names).scalar()
                answers.append(state is not None)
                if state is None:
                    continue
                reason = reasons.get(each.key)
                if state == State.FAILED:
                    _moved(connection, each.key, State.STORED, [State.FAILED], None, 0)
                if _moved(connection, each.key, State.READY, [State.STORED], reason and reason[:LONGEST_REASON]):
                    moved.append(each.key)
            self._follow(connection, moved)
        return answers

    def _follow(self, connection: Connection, keys: Sequence[InstanceKey]) -> None:
        followed = dict.fromkeys(key.of_series for key in keys)
        self._database.enqueue(connection, [Ticket(Kind.RECONCILE, series_key) for series_key in followed])

    def roll_up(self, key: SeriesKey) -> tuple[State, State] | None:
        with self._database.write(durable=False) as connection:
            return self._rolling(connection, key)

    def representative(self, scope: Scope) -> InstanceKey | None:
        with self._database.read() as connection:
            return representative(connection, scope)

    def settle_series(self, key: SeriesKey, document: SeriesDocument, *, revision: int) -> bool:
        values = {"name": document.object_key, "tag": document.etag, "count": document.instances, "now": self._now()}
        names = {"t": key.tenant, "s": key.study, "e": key.series, "seen": revision}
        with self._database.write(durable=False) as connection:
            settled = connection.execute(_SETTLE, {**names, **values}).scalar() is not None
            if settled:
                self._changes.add(connection, [key], at=self._now())
        return settled

    def standing(self, scope: Scope, *, limit: int = 1000, offset: int = 0) -> list[Standing]:
        return self._standing(_STANDING.where(within(scope)).order_by(*_ORDER), limit, offset)

    def in_state(self, state: State, *, limit: int = 100, offset: int = 0) -> list[Standing]:
        return self._standing(_STANDING.where(instance.c.state == int(state)).order_by(instance.c.id), limit, offset)

    def _standing(self, statement: sa.Select[Any], limit: int, offset: int) -> list[Standing]:
        with self._database.read() as connection:
            rows = connection.execute(statement.limit(limit).offset(offset)).all()
        return [
            Standing(
                InstanceKey(*row[:4]),
                State(row.state),
                row.version is not None,
                row.attempts,
                row.reason,
                row.source,
            )
            for row in rows
        ]

    def troubles(self, scope: StudyKey | SeriesKey) -> list[Trouble]:
        with self._database.read() as connection:
            return [Trouble(*row) for row in connection.execute(_TROUBLES.where(within(scope)))]

    def totals(self) -> dict[str, int]:
        with self._database.read() as connection:
            counts = {
                "studies": connection.execute(sa.select(sa.func.count()).select_from(study)).scalar_one(),
                "series": connection.execute(sa.select(sa.func.count()).select_from(series)).scalar_one(),
                "instances": connection.execute(sa.select(sa.func.count()).select_from(instance)).scalar_one(),
            }
            levels = {
                name: dict(
                    map(tuple, connection.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state)))
                )
                for name, table in (("series", series), ("studies", study))
            }
            by_state = connection.execute(sa.select(instance.c.state, sa.func.count()).group_by(instance.c.state)).all()
        found = {State(state): count for state, count in by_state}
        above = {
            f"{name}_{state.name.lower()}": by.get(int(state), 0) for name, by in levels.items() for state in State
        }
        return counts | {state.name.lower(): found.get(state, 0) for state in State} | above


def _names(key: InstanceKey) -> dict[str, str]:
    return {"t": key.tenant, "s": key.study, "e": key.series, "i": key.instance}


def _moved(
    connection: Connection,
    key: InstanceKey,
    to: State,
    only_from: Sequence[State],
    reason: str | None,
    attempts: int | None = None,
) -> bool:
    legal = [int(state) for state in only_from if may_move(state, to)]
    if not legal:
        return False
    changed = {"from": legal, "to": int(to), "why": reason, "tried": attempts}
    moved = connection.execute(_MOVE, {**_names(key), **changed}).scalar()
    if moved is not None and not {to, *only_from} <= _QUIET:
        connection.execute(_TOUCH, {"row": moved})
    return moved is not None


_: type[Progress] = SqlProgress
