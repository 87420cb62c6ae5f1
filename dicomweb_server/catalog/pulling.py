"""What a source holds and is not here yet: announced rows, and who fetches them.

A ticket is a hint; these rows say whether an instance is wanted, is being fetched, and why it failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from dicomweb_server.catalog import tombstones
from dicomweb_server.catalog.announcing import Announcing
from dicomweb_server.catalog.base import AnnouncedSeries, Missing, Pulling
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.schema import instance, pull, series, study, ticket, version
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.manifest import Location, location
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.states import State

MESSAGE_IDS = 65_535

_PLACE = study.join(series, series.c.study_id == study.c.id).join(instance, instance.c.series_id == series.c.id)
_WITHIN = sa.and_(study.c.tenant == bindparam("tenant"), study.c.study_uid == bindparam("study"))
_MISSING = (
    sa.select(
        series.c.series_uid,
        instance.c.instance_uid,
        instance.c.state,
        instance.c.source,
        instance.c.reason,
    )
    .select_from(_PLACE)
    .where(_WITHIN, instance.c.version.is_(None))
    .order_by(series.c.series_number, series.c.series_uid, instance.c.instance_number, instance.c.instance_uid)
)
_HELD_FROM = (
    sa.select(series.c.series_uid, instance.c.instance_uid)
    .select_from(
        _PLACE.outerjoin(
            version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version)
        )
    )
    .where(
        _WITHIN,
        instance.c.source == bindparam("source"),
        sa.not_(instance.c.pinned),
        sa.or_(instance.c.version.is_(None), version.c.source == bindparam("source")),
    )
)
_LOCATIONS = (
    sa.select(instance.c.instance_uid, instance.c.source_location)
    .select_from(_PLACE)
    .where(
        _WITHIN,
        series.c.series_uid == bindparam("series"),
        instance.c.instance_uid.in_(bindparam("uids", expanding=True)),
        instance.c.source_location.is_not(None),
    )
)
_ROW = (
    sa.select(instance.c.id)
    .select_from(_PLACE)
    .where(_WITHIN, series.c.series_uid == bindparam("series"), instance.c.instance_uid == bindparam("instance"))
    .scalar_subquery()
)
_TOUCH = (
    sa.update(series)
    .where(
        series.c.series_uid == bindparam("series_key"),
        series.c.study_id
        == sa.select(study.c.id)
        .where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"))
        .scalar_subquery(),
    )
    .values(revision=series.c.revision + 1)
)
_QUEUE = (
    sa.update(instance)
    .where(instance.c.id == _ROW, instance.c.state == int(State.ANNOUNCED))
    .values(state=int(State.QUEUED))
)
_CLAIM = (
    sa.update(instance)
    .where(
        instance.c.id == _ROW, instance.c.version.is_(None), instance.c.state.in_(bindparam("states", expanding=True))
    )
    .values(state=int(State.FETCHING))
    .returning(instance.c.source)
)
_AGAIN = (
    sa.update(instance)
    .where(instance.c.id == _ROW, instance.c.version.is_(None), instance.c.state == int(State.FAILED))
    .values(state=int(State.QUEUED), attempts=0)
)
"""What had been given up begins anew."""
_FAIL = (
    sa.update(instance)
    .where(instance.c.id == _ROW, instance.c.state == int(State.FETCHING))
    .values(
        attempts=instance.c.attempts + 1,
        reason=bindparam("why"),
        state=sa.case(
            (sa.or_(bindparam("final"), instance.c.attempts + 1 >= bindparam("most")), int(State.FAILED)),
            else_=int(State.QUEUED),
        ),
    )
    .returning(instance.c.state)
)
_PUT_OFF = (
    sa.update(instance)
    .where(instance.c.id == _ROW, instance.c.state == int(State.FETCHING))
    .values(state=int(State.QUEUED), reason=bindparam("why"))
)
_WORKING = sa.select(sa.func.count()).where(
    ticket.c.kind == Kind.FETCH.value,
    ticket.c.tenant == bindparam("tenant"),
    ticket.c.study_uid == bindparam("study"),
    ticket.c.series_uid == bindparam("series"),
    ticket.c.instance_uid == bindparam("instance"),
    ticket.c.lease_until > bindparam("now"),
)


class SqlPulling:
    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._announcing = Announcing(database.dialect, database.extra)

    def announce(self, key: StudyKey, source: str, attributes: DicomJson, found: Sequence[AnnouncedSeries]) -> None:
        with self._database.write() as connection:
            self._announcing.announce(connection, key, source, attributes, found, now=self._now())
            self._database.enqueue(connection, [Ticket(Kind.RECONCILE, one.key) for one in found])

    def revive(self, key: StudyKey) -> bool:
        with self._database.write() as connection:
            return tombstones.forget(connection, key) > 0

    def deleted(self, scopes: Sequence[Scope]) -> set[Scope]:
        with self._database.read() as connection:
            return tombstones.deleted(connection, scopes)

    def missing(self, scope: Scope) -> list[Missing]:
        statement = _MISSING
        names = {"tenant": scope.tenant, "study": scope.study}
        if not isinstance(scope, StudyKey):
            statement = statement.where(series.c.series_uid == scope.series)
        if isinstance(scope, InstanceKey):
            statement = statement.where(instance.c.instance_uid == scope.instance)
        with self._database.read() as connection:
            rows = connection.execute(statement, names).all()
        return [
            Missing(
                InstanceKey(scope.study, row.series_uid, row.instance_uid, scope.tenant),
                State(row.state),
                row.source or "",
                row.reason,
            )
            for row in rows
        ]

    def announced_by(self, key: StudyKey) -> str | None:
        statement = sa.select(instance.c.source).select_from(_PLACE).where(_WITHIN, instance.c.source.is_not(None))
        with self._database.read() as connection:
            return connection.execute(statement.limit(1), {"tenant": key.tenant, "study": key.study}).scalar()

    def locations(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, Location]:
        if not keys:
            return {}
        place = {"tenant": keys[0].tenant, "study": keys[0].study, "series": keys[0].series}
        with self._database.read() as connection:
            rows = connection.execute(_LOCATIONS, {**place, "uids": [key.instance for key in keys]}).all()
        found = {row.instance_uid: location(row.source_location) for row in rows}
        return {key: found[key.instance] for key in keys if key.instance in found}

    def held_from(self, key: StudyKey, source: str) -> list[InstanceKey]:
        with self._database.read() as connection:
            rows = connection.execute(_HELD_FROM, {"tenant": key.tenant, "study": key.study, "source": source}).all()
        return [InstanceKey(key.study, row.series_uid, row.instance_uid, key.tenant) for row in rows]

    def want(self, tickets: Sequence[Ticket]) -> None:
        with self._database.write() as connection:
            queued = [_names(each.key) for each in tickets if isinstance(each.key, InstanceKey)]
            if queued:
                connection.execute(_QUEUE, queued)
            self._database.enqueue(connection, tickets)

    def claim(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, str | None]:
        claimed: dict[InstanceKey, str | None] = {}
        with self._database.write(durable=False) as connection:
            for key in keys:
                names = _names(key)
                # Taken before by somebody who is gone when no other lease of it is alive.
                others = connection.execute(_WORKING, {**names, "now": self._now()}).scalar_one() > 1
                states = [int(State.QUEUED)] + ([] if others else [int(State.FETCHING)])
                row = connection.execute(_CLAIM, {**names, "states": states}).one_or_none()
                if row is None and connection.execute(_AGAIN, names).rowcount:
                    row = connection.execute(_CLAIM, {**names, "states": states}).one_or_none()
                if row is not None:
                    claimed[key] = row.source
                elif others:
                    claimed[key] = None
        return claimed

    def failed(self, key: InstanceKey, *, reason: str, final: bool, attempts: int) -> State | None:
        with self._database.write() as connection:
            values = {**_names(key), "why": reason[:500], "final": final, "most": attempts}
            state = connection.execute(_FAIL, values).scalar()
            if state == int(State.FAILED):
                connection.execute(_TOUCH, {"t": key.tenant, "s": key.study, "series_key": key.series})
                self._database.enqueue(connection, [Ticket(Kind.RECONCILE, key.of_series, Band.EAGER)])
        return None if state is None else State(state)

    def put_off(self, key: InstanceKey, *, reason: str) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(_PUT_OFF, {**_names(key), "why": reason[:500]})

    def open_pull(self, key: SeriesKey, *, source: str, destination: str) -> int:
        with self._database.write() as connection:
            row = {
                "tenant": key.tenant,
                "source": source,
                "study_uid": key.study,
                "series_uid": key.series,
                "destination_aet": destination,
                "message_id": 0,
                "started": self._now(),
            }
            number = connection.execute(sa.insert(pull).returning(pull.c.id), row).scalar_one()
            message_id = number % MESSAGE_IDS + 1
            connection.execute(sa.update(pull).where(pull.c.id == number).values(message_id=message_id))
        return int(message_id)

    def close_pull(self, message_id: int) -> None:
        with self._database.write(durable=False) as connection:
            connection.execute(
                sa.update(pull).where(pull.c.message_id == message_id, pull.c.ended.is_(None)).values(ended=self._now())
            )

    def pulled_by(self, message_id: int, *, destination: str, study_uid: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(
                sa.select(pull.c.source)
                .where(
                    pull.c.message_id == message_id,
                    pull.c.destination_aet == destination,
                    pull.c.study_uid == study_uid,
                )
                .order_by(pull.c.started.desc())
                .limit(1)
            ).scalar()


def _names(key: InstanceKey) -> dict[str, object]:
    return {"tenant": key.tenant, "study": key.study, "series": key.series, "instance": key.instance}


_: type[Pulling] = SqlPulling
