"""What changed, numbered without gaps in the order of commits, and who asks what is new."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.base import Changes
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import change, counter
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey, uids

_NEXT = (
    sa.update(counter)
    .where(counter.c.name == "change")
    .values(value=counter.c.value + bindparam("more"))
    .returning(counter.c.value)
)
_ADD = sa.insert(change)
_SINCE = (
    sa.select(change.c.sequence, change.c.tenant, change.c.study_uid, change.c.series_uid, change.c.instance_uid)
    .where(change.c.sequence > bindparam("after"))
    .order_by(change.c.sequence)
    .limit(bindparam("most"))
)
_LAST = sa.select(counter.c.value).where(counter.c.name == "change")


class ChangeLog:
    """Adds entries; to be called last in a transaction, since the counter's row stays locked until its end."""

    def __init__(self, dialect: Dialect) -> None:
        self._next = dialect.prepared(_NEXT)
        self._add = dialect.prepared(_ADD)

    def add(self, connection: Connection, scopes: Sequence[Scope], *, at: float) -> None:
        if not scopes:
            return
        ((last,),) = self._next(connection, {"more": len(scopes)})
        first = last - len(scopes) + 1
        self._add.many(connection, [_row(first + n, scope, at) for n, scope in enumerate(scopes)])


def _row(sequence: int, scope: Scope, at: float) -> dict[str, object]:
    study, series, instance = uids(scope)
    return {
        "sequence": sequence,
        "tenant": scope.tenant,
        "study_uid": study,
        "series_uid": series,
        "instance_uid": instance,
        "at": at,
    }


class SqlChanges:
    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, sequence: int, *, limit: int = 1000) -> list[tuple[int, Scope]]:
        with self._database.read() as connection:
            rows = connection.execute(_SINCE, {"after": sequence, "most": limit}).all()
        return [(number, scope(tenant, *names)) for number, tenant, *names in rows]

    def last(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute(_LAST).scalar_one())

    def stamp(self) -> int:
        return self._database.stamp()


def scope(tenant: str, study: str, series: str, instance: str) -> Scope:
    """The key that the texts name; '' below its level."""
    if instance:
        return InstanceKey(study, series, instance, tenant)
    if series:
        return SeriesKey(study, series, tenant)
    return StudyKey(study, tenant)


_: type[Changes] = SqlChanges
