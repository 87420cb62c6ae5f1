"""Everything that is held, for whoever compares it with what lies in the object store or looks for lost work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from dicomweb_server.catalog.base import HeldDocument, HeldObject, Inventory
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.schema import instance, series, study, ticket, version
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.states import State

PAGE = 1000

_ROWS = study.join(series, series.c.study_id == study.c.id).join(instance, instance.c.series_id == series.c.id)
_UIDS = (study.c.study_uid, series.c.series_uid, instance.c.instance_uid, study.c.tenant)
_OBJECTS = (
    sa.select(version.c.id, *_UIDS, version.c.object_key, version.c.size, version.c.digest)
    .select_from(_ROWS.join(version, version.c.instance_id == instance.c.id))
    .where(version.c.id > sa.bindparam("after"))
    .order_by(version.c.id)
    .limit(PAGE)
)
_DOCUMENTS = (
    sa.select(series.c.id, study.c.study_uid, series.c.series_uid, study.c.tenant, series.c.document_key)
    .select_from(study.join(series, series.c.study_id == study.c.id))
    .where(series.c.id > sa.bindparam("after"), series.c.document_key.is_not(None))
    .order_by(series.c.id)
    .limit(PAGE)
)


def _waits(kind: Kind, instance_uid: Any) -> sa.Exists:
    """Whether such a ticket waits for the series at hand, or for its instance."""
    return sa.exists().where(
        ticket.c.kind == kind.value,
        ticket.c.tenant == study.c.tenant,
        ticket.c.study_uid == study.c.study_uid,
        ticket.c.series_uid == series.c.series_uid,
        ticket.c.instance_uid == instance_uid,
        ticket.c.worker.is_(None),
        ticket.c.died.is_(None),
    )


_RECONCILED_LATER = _waits(Kind.RECONCILE, "")
_STORED = (
    sa.select(*_UIDS)
    .select_from(_ROWS)
    .where(instance.c.state == int(State.STORED), sa.not_(_waits(Kind.PREPROCESS, instance.c.instance_uid)))
)
_WANTED = (
    sa.select(*_UIDS)
    .select_from(_ROWS)
    .where(
        instance.c.state.in_([int(State.QUEUED), int(State.FETCHING)]),
        instance.c.source.is_not(None),
        sa.not_(_waits(Kind.FETCH, instance.c.instance_uid)),
    )
)
_COMING = sa.exists().where(
    instance.c.series_id == series.c.id,
    instance.c.state.in_([int(State.ANNOUNCED), int(State.QUEUED), int(State.FETCHING)]),
)
_GROWING = (
    sa.select(study.c.study_uid, series.c.series_uid, study.c.tenant)
    .select_from(study.join(series, series.c.study_id == study.c.id))
    .where(series.c.document_key.is_(None), series.c.instance_count > 0, sa.not_(_COMING), sa.not_(_RECONCILED_LATER))
)
"""At rest, or soon: nothing of them is still to come from a source."""
_BEHIND = (
    sa.select(study.c.study_uid, series.c.series_uid, study.c.tenant)
    .select_from(_ROWS)
    .where(sa.or_(series.c.state.is_(None), series.c.state != int(State.READY)), sa.not_(_RECONCILED_LATER))
    .group_by(series.c.id, study.c.study_uid, series.c.series_uid, study.c.tenant, series.c.state)
    .having(
        sa.func.coalesce(series.c.state, int(State.ANNOUNCED)).is_distinct_from(
            sa.func.coalesce(
                sa.func.min(sa.case((instance.c.state != int(State.FAILED), instance.c.state))), int(State.FAILED)
            )
        )
    )
)
"""Series that did not follow their instances."""


class SqlInventory:
    def __init__(self, database: Database) -> None:
        self._database = database

    def objects(self, study: StudyKey | None = None) -> Iterator[HeldObject]:
        for _, study_uid, series_uid, instance_uid, tenant, name, size, digest in self._pages(_OBJECTS, study):
            yield HeldObject(InstanceKey(study_uid, series_uid, instance_uid, tenant), name, size, digest)

    def documents(self, study: StudyKey | None = None) -> Iterator[HeldDocument]:
        for _, study_uid, series_uid, tenant, name in self._pages(_DOCUMENTS, study):
            yield HeldDocument(SeriesKey(study_uid, series_uid, tenant), name)

    def _pages(self, statement: sa.Select[Any], of: StudyKey | None) -> Iterator[Any]:
        """Rows in the order of their id, which comes first in them."""
        if of is not None:
            statement = statement.where(study.c.tenant == of.tenant, study.c.study_uid == of.study)
        after = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(statement, {"after": after}).all()
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].id

    def unfinished(self) -> list[Ticket]:
        with self._database.read() as connection:
            stored = [Ticket(Kind.PREPROCESS, InstanceKey(*row)) for row in connection.execute(_STORED)]
            growing = [Ticket(Kind.RECONCILE, SeriesKey(*row)) for row in connection.execute(_GROWING)]
            growing += [Ticket(Kind.RECONCILE, SeriesKey(*row)) for row in connection.execute(_BEHIND)]
            wanted = [Ticket(Kind.FETCH, InstanceKey(*row), Band.EAGER) for row in connection.execute(_WANTED)]
        return list(dict.fromkeys([*stored, *growing, *wanted]))


_: type[Inventory] = SqlInventory
