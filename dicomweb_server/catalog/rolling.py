"""Series and studies follow their instances: state and representative, written down where they are looked for.

Everything is counted anew from the rows, under the lock of the study: however often it is done, by whomever, it ends
the same. The slowest child decides; failed children hold nothing up unless all failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import instance, series, study, version
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey
from dicomweb_server.model.states import State, roll_up

_IMAGES = (
    sa.select(instance.c.instance_uid)
    .select_from(
        instance.join(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
    )
    .where(instance.c.series_id == bindparam("series"), version.c.frames.is_not(None))
    .order_by(instance.c.instance_number, instance.c.instance_uid)
)
_COUNTS = sa.select(instance.c.state, sa.func.count()).group_by(instance.c.state)
_OF_SERIES = _COUNTS.where(instance.c.series_id == bindparam("series"))
_OF_STUDY = _COUNTS.select_from(instance.join(series)).where(series.c.study_id == bindparam("study"))
_LARGEST = (
    sa.select(series.c.series_uid, series.c.representative)
    .where(series.c.study_id == bindparam("study"), series.c.representative != "")
    .order_by(series.c.image_count.desc(), series.c.series_number, series.c.series_uid)
    .limit(1)
)
_PLACE = sa.select(study.c.id, series.c.id.label("series_id")).select_from(study.join(series))


class Rolling:
    def __init__(self, dialect: Dialect) -> None:
        found = _PLACE.where(
            study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"), series.c.series_uid == bindparam("e")
        )
        self._place = found
        self._lock = dialect.lock(sa.select(study.c.id).where(study.c.id == bindparam("id")))

    def __call__(self, connection: Connection, key: SeriesKey) -> tuple[State, State] | None:
        """The states of the series and of its study; None when there is no such series."""
        row = connection.execute(self._place, {"t": key.tenant, "s": key.study, "e": key.series}).one_or_none()
        if row is None:
            return None
        connection.execute(self._lock, {"id": row.id})
        of_series = roll_up(_counts(connection, _OF_SERIES, series=row.series_id))
        images = list(connection.execute(_IMAGES, {"series": row.series_id}).scalars())
        middle = images[(len(images) - 1) // 2] if images else ""
        _write(
            connection,
            series,
            row.series_id,
            {"state": int(of_series), "representative": middle, "image_count": len(images)},
        )
        of_study = roll_up(_counts(connection, _OF_STUDY, study=row.id))
        largest = connection.execute(_LARGEST, {"study": row.id}).one_or_none()
        place = f"{largest.series_uid}/{largest.representative}" if largest is not None else ""
        _write(connection, study, row.id, {"state": int(of_study), "representative": place})
        return of_series, of_study


def representative(connection: Connection, scope: Scope) -> InstanceKey | None:
    """The instance whose picture stands for a series or study, as it was last written down."""
    if isinstance(scope, InstanceKey):
        return scope
    place = study.join(series)
    statement = sa.select(study.c.representative, series.c.representative.label("of_series")).select_from(place)
    statement = statement.where(study.c.tenant == scope.tenant, study.c.study_uid == scope.study)
    if isinstance(scope, SeriesKey):
        statement = statement.where(series.c.series_uid == scope.series)
    row = connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        return None
    series_uid, _, uid = (
        (scope.series, "", row.of_series) if isinstance(scope, SeriesKey) else row.representative.partition("/")
    )
    return InstanceKey(scope.study, series_uid, uid, scope.tenant) if uid else None


def _counts(connection: Connection, statement: sa.Select[Any], **names: int) -> dict[State, int]:
    return {State(state): count for state, count in connection.execute(statement, names)}


def _write(connection: Connection, table: sa.Table, row: int, values: Mapping[str, Any]) -> None:
    """Only what changed: a row that stays as it is costs no write."""
    changed = sa.or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    connection.execute(sa.update(table).where(table.c.id == row, changed).values(**values))
