"""Collections: who asked for what, which studies that is, and how far along they are.

The row is the truth: whoever works on it claims it for a while first, and every end is a compare-and-set.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Row, bindparam

from dicomweb_server.catalog.base import Collections
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.schema import NO_NUMBER, collection, instance, member, series, study, version
from dicomweb_server.model.collections import ENDED, Action, Collection, ImageRecord, Member, Phase, StudyCounts
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import DEFAULT_TENANT, SeriesKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.states import State

_SHOWN: tuple[ColumnElement[Any], ...] = (
    collection.c.id,
    collection.c.tenant,
    collection.c.name,
    collection.c.action,
    collection.c.phase,
    collection.c.request,
    collection.c.reason,
    collection.c.requested,
    collection.c.attempts,
    collection.c.ended,
    collection.c.eager,
)
_ENDED = [phase.value for phase in ENDED]
_COUNTS = (
    sa.select(
        member.c.study_uid,
        member.c.time_point,
        member.c.position,
        instance.c.state,
        sa.func.count(instance.c.id).label("instances"),
    )
    .select_from(
        member.join(collection)
        .outerjoin(study, sa.and_(study.c.study_uid == member.c.study_uid, study.c.tenant == collection.c.tenant))
        .outerjoin(series, series.c.study_id == study.c.id)
        .outerjoin(instance, instance.c.series_id == series.c.id)
    )
    .where(collection.c.name == bindparam("name"), collection.c.tenant == bindparam("tenant"))
    .group_by(member.c.study_uid, member.c.time_point, member.c.position, instance.c.state)
    .order_by(member.c.position, member.c.study_uid)
)
_SERIES = (
    sa.select(study.c.study_uid, sa.func.count(series.c.id))
    .select_from(
        member.join(collection)
        .join(study, sa.and_(study.c.study_uid == member.c.study_uid, study.c.tenant == collection.c.tenant))
        .join(series, series.c.study_id == study.c.id)
    )
    .where(collection.c.name == bindparam("name"), collection.c.tenant == bindparam("tenant"))
    .group_by(study.c.study_uid)
)
_IMAGES = (
    sa.select(
        instance.c.instance_uid,
        instance.c.instance_number,
        instance.c.state,
        instance.c.version,
        instance.c.reason,
        version.c.frame_count,
    )
    .select_from(
        study.join(series)
        .join(instance, instance.c.series_id == series.c.id)
        .outerjoin(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
    )
    .where(
        study.c.tenant == bindparam("tenant"),
        study.c.study_uid == bindparam("study"),
        series.c.series_uid == bindparam("series"),
    )
    .order_by(instance.c.instance_number, instance.c.instance_uid)
)


class SqlCollections:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        insert = database.dialect.insert(collection)
        self._create = insert.on_conflict_do_nothing(index_elements=["tenant", "name"]).returning(collection.c.id)

    def create(self, wanted: Collection, document: bytes = b"") -> bool:
        row = {
            "tenant": wanted.tenant,
            "name": wanted.id,
            "action": wanted.action.value,
            "phase": wanted.phase.value,
            "request": json.dumps(dict(wanted.request)).encode(),
            "document": document,
            "requested": wanted.requested,
            "eager": wanted.eager,
        }
        with self._database.write() as connection:
            return connection.execute(self._create, row).scalar() is not None

    def get(self, id: str, tenant: str = DEFAULT_TENANT) -> Collection:
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_SHOWN).where(_named(id, tenant))).one_or_none()
            if row is None:
                raise NotFound(f"no collection {id[:80]}")
            members = connection.execute(
                sa.select(member)
                .where(member.c.collection_id == row.id)
                .order_by(member.c.position, member.c.study_uid)
            ).all()
        return _read(row, tuple(Member(each.study_uid, each.time_point, each.position) for each in members))

    def document(self, id: str, tenant: str = DEFAULT_TENANT) -> bytes:
        with self._database.read() as connection:
            row = connection.execute(sa.select(collection.c.document).where(_named(id, tenant))).one_or_none()
        if row is None:
            raise NotFound(f"no collection {id[:80]}")
        return bytes(row.document or b"")

    def listed(self, *, limit: int = 100, offset: int = 0, tenant: str = DEFAULT_TENANT) -> list[Collection]:
        statement = sa.select(*_SHOWN).where(collection.c.tenant == tenant).order_by(collection.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(statement.limit(limit).offset(offset)).all()
        return [_read(row) for row in rows]

    def claim(self, *, seconds: float) -> Collection | None:
        now = self._now()
        waiting = sa.and_(collection.c.phase == Phase.REQUESTED.value, collection.c.due <= now)
        first = sa.select(collection.c.id).where(waiting).order_by(collection.c.eager, collection.c.id).limit(1)
        with self._database.read() as connection:
            if connection.execute(first).scalar() is None:
                return None
        with self._database.write(durable=False) as connection:
            row = connection.execute(
                sa.update(collection)
                .where(collection.c.id == first.scalar_subquery(), waiting)
                .values(due=now + seconds, attempts=collection.c.attempts + 1)
                .returning(*_SHOWN)
            ).one_or_none()
        return None if row is None else _read(row)

    def later(self, id: str, reason: str, *, seconds: float) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(
                sa.update(collection)
                .where(collection.c.name == id, collection.c.phase == Phase.REQUESTED.value)
                .values(due=self._now() + seconds, reason=reason[:500])
            )

    def described(
        self, id: str, members: Sequence[Member], *, reason: str = "", tickets: Sequence[Ticket] = ()
    ) -> bool:
        with self._database.write() as connection:
            row = connection.execute(
                sa.update(collection)
                .where(collection.c.name == id, collection.c.phase == Phase.REQUESTED.value)
                .values(phase=Phase.LOADING.value, reason=reason[:500])
                .returning(collection.c.id)
            ).scalar()
            if row is None:
                return False
            connection.execute(sa.delete(member).where(member.c.collection_id == row))
            rows = [_member(row, each) for each in members]
            if rows:
                connection.execute(sa.insert(member), rows)
            self._database.enqueue(connection, tickets)
        return True

    def end(self, id: str, phase: Phase, *, reason: str = "") -> bool:
        with self._database.write() as connection:
            statement = sa.update(collection).where(collection.c.name == id, collection.c.phase.not_in(_ENDED))
            changed = {"phase": phase.value, "ended": self._now()} | ({"reason": reason[:500]} if reason else {})
            return connection.execute(statement.values(**changed).returning(collection.c.id)).scalar() is not None

    def again(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        values = {"phase": Phase.REQUESTED.value, "attempts": 0, "due": 0.0, "reason": "", "ended": None, "told": None}
        with self._database.write() as connection:
            statement = sa.update(collection).where(_named(id, tenant)).values(**values).returning(collection.c.id)
            return connection.execute(statement).scalar() is not None

    def loading(self) -> list[Collection]:
        return self._all(collection.c.phase == Phase.LOADING.value)

    def untold(self) -> list[Collection]:
        return self._all(sa.and_(collection.c.phase.in_(_ENDED), collection.c.told.is_(None)))

    def told(self, id: str) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(sa.update(collection).where(collection.c.name == id).values(told=self._now()))

    def forget(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        return self._remove(_named(id, tenant)) > 0

    def expire(self, *, before: float) -> int:
        return self._remove(collection.c.ended < before)

    def counts(self, id: str, tenant: str = DEFAULT_TENANT) -> list[StudyCounts]:
        names = {"name": id, "tenant": tenant}
        with self._database.read() as connection:
            rows = connection.execute(_COUNTS, names).all()
            of_study = {row[0]: row[1] for row in connection.execute(_SERIES, names)}
        counts: dict[Member, dict[State, int]] = {}
        for row in rows:
            found = counts.setdefault(Member(row.study_uid, row.time_point, row.position), {})
            if row.state is not None:
                found[State(row.state)] = row.instances
        return [StudyCounts(each, of_study.get(each.study, 0), found) for each, found in counts.items()]

    def images(self, key: SeriesKey) -> list[ImageRecord]:
        names = {"tenant": key.tenant, "study": key.study, "series": key.series}
        with self._database.read() as connection:
            rows = connection.execute(_IMAGES, names).all()
        return [
            ImageRecord(
                row.instance_uid,
                None if row.instance_number == NO_NUMBER else row.instance_number,
                State(row.state),
                row.version is not None,
                row.frame_count or None,
                row.reason,
            )
            for row in rows
        ]

    def _all(self, condition: ColumnElement[bool]) -> list[Collection]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*_SHOWN).where(condition).order_by(collection.c.id).limit(1000)).all()
        return [_read(row) for row in rows]

    def _remove(self, condition: ColumnElement[bool]) -> int:
        with self._database.write(durable=False) as connection:
            rows = list(connection.execute(sa.select(collection.c.id).where(condition)).scalars())
            if rows:
                connection.execute(sa.delete(member).where(member.c.collection_id.in_(rows)))
                connection.execute(sa.delete(collection).where(collection.c.id.in_(rows)))
        return len(rows)


def _named(id: str, tenant: str) -> ColumnElement[bool]:
    return sa.and_(collection.c.tenant == tenant, collection.c.name == id)


def _member(row: int, each: Member) -> dict[str, Any]:
    return {
        "collection_id": row,
        "study_uid": each.study,
        "time_point": each.time_point,
        "position": each.position,
    }


def _read(row: Row[Any], members: tuple[Member, ...] = ()) -> Collection:
    return Collection(
        row.name,
        Action(row.action),
        Phase(row.phase),
        json.loads(row.request or b"{}"),
        row.requested,
        reason=row.reason,
        attempts=row.attempts,
        ended=row.ended,
        eager=row.eager,
        members=members,
        tenant=row.tenant,
    )


_: type[Collections] = SqlCollections
