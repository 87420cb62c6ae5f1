"""Delete a study, series or instance: tombstones stay, parents follow, and what was stored belongs to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, Row, bindparam

from dicomweb_server.catalog import summaries, tombstones
from dicomweb_server.catalog.changelog import ChangeLog
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import instance, series, study, study_document, version
from dicomweb_server.catalog.storing import Storing
from dicomweb_server.model.ids import Scope, SeriesKey, StudyKey, uids
from dicomweb_server.model.records import DicomJson

_CHUNK = 500
_SUMMARY = (series.c.id, series.c.series_uid, series.c.document_key)
_COUNT = sa.select(
    sa.func.count(),
    sa.func.count().filter(instance.c.version.is_(None)),
).where(instance.c.series_id == bindparam("id"))
_PUSHED = (
    sa.select(sa.func.count())
    .select_from(instance.join(version))
    .where(instance.c.series_id == bindparam("id"), version.c.source.is_(None))
)
_STUDY_COUNTS = sa.select(
    sa.func.count(),
    sa.func.coalesce(sa.func.sum(series.c.instance_count), 0),
    sa.func.coalesce(sa.func.sum(series.c.nearline_count), 0),
).where(series.c.study_id == bindparam("id"))


class Deleting:
    def __init__(self, dialect: Dialect, storing: Storing) -> None:
        self._dialect = dialect
        self._storing = storing
        self._changes = ChangeLog(dialect)
        self._study = dialect.lock(
            sa.select(study.c.id).where(study.c.tenant == bindparam("t"), study.c.study_uid == bindparam("s"))
        )

    def __call__(self, connection: Connection, scope: Scope, *, reason: str | None, now: float) -> list[str] | None:
        """The object keys set free; None when there is no such thing. Without a reason no tombstone is left."""
        study_id = connection.execute(self._study, {"t": scope.tenant, "s": scope.study}).scalar()
        if study_id is None:
            return None
        _, series_uid, instance_uid = uids(scope)
        branches = _series(connection, study_id, series_uid)
        doomed = [(row, _instances(connection, row.id, instance_uid)) for row in branches]
        if (series_uid and not branches) or (instance_uid and not doomed[0][1]):
            return None
        freed = [key for row, leaves in doomed for key in _freed(connection, row, leaves)]
        above = StudyKey(scope.study, scope.tenant)
        graves = {(row.series_uid, leaf.instance_uid) for row, leaves in doomed for leaf in leaves}
        graves |= {(series_uid, instance_uid)}
        for row, leaves in doomed:
            if self._remove(connection, scope, row, leaves, whole=not instance_uid):
                graves.add((row.series_uid, ""))
        if self._settle_study(connection, above, study_id):
            graves.add(("", ""))
        if reason is not None:
            tombstones.bury(connection, self._dialect, above, graves, reason=reason, now=now)
        self._changes.add(connection, [scope], at=now)
        return freed

    def _remove(
        self, connection: Connection, scope: Scope, row: Row[Any], leaves: Sequence[Any], *, whole: bool
    ) -> bool:
        """Remove the instances, and the series when nothing is left of it: True then."""
        ids = [leaf.id for leaf in leaves]
        for start in range(0, len(ids), _CHUNK):
            connection.execute(sa.delete(instance).where(instance.c.id.in_(ids[start : start + _CHUNK])))
        count, nearline = connection.execute(_COUNT, {"id": row.id}).one()
        if whole or count == 0:
            connection.execute(sa.delete(series).where(series.c.id == row.id))
            return True
        key = SeriesKey(scope.study, row.series_uid, scope.tenant)
        attributes = orjson.loads(connection.execute(sa.select(series.c.attributes).filter_by(id=row.id)).scalar_one())
        connection.execute(
            sa.update(series)
            .where(series.c.id == row.id)
            .values(
                instance_count=count,
                nearline_count=nearline,
                pushed_count=connection.execute(_PUSHED, {"id": row.id}).scalar_one(),
                revision=series.c.revision + 1,
                document_key=None,
                document_etag=None,
                document_instances=None,
                completed=None,
                summary=summaries.of_series(key, attributes, instances=count),
            )
        )
        return False

    def _settle_study(self, connection: Connection, key: StudyKey, study_id: int) -> bool:
        """Bring the study's counts up to date; True when nothing is left and the study is gone too."""
        branches, instances, nearline = connection.execute(_STUDY_COUNTS, {"id": study_id}).one()
        if branches == 0:
            self._dialect.forget_text(connection, [study_id])
            connection.execute(sa.delete(study).where(study.c.id == study_id))
            return True
        connection.execute(
            sa.update(study)
            .where(study.c.id == study_id)
            .values(series_count=branches, instance_count=int(instances), nearline_count=int(nearline))
        )
        self._storing.values.recount(connection, study_id)
        attributes: DicomJson = orjson.loads(
            connection.execute(sa.select(study_document.c.attributes).filter_by(study_id=study_id)).scalar_one()
        )
        self._storing.write_document(connection, key, study_id, attributes, branches, int(instances))
        return False


def _series(connection: Connection, study_id: int, series_uid: str) -> list[Any]:
    statement = sa.select(*_SUMMARY).where(series.c.study_id == study_id)
    if series_uid:
        statement = statement.where(series.c.series_uid == series_uid)
    return list(connection.execute(statement))


def _instances(connection: Connection, series_id: int, instance_uid: str) -> list[Any]:
    statement = sa.select(instance.c.id, instance.c.instance_uid).where(instance.c.series_id == series_id)
    if instance_uid:
        statement = statement.where(instance.c.instance_uid == instance_uid)
    return list(connection.execute(statement))


def _freed(connection: Connection, row: Row[Any], leaves: Sequence[Any]) -> list[str]:
    """Every version's object, and the series' document in both forms."""
    keys = [] if row.document_key is None else [row.document_key, row.document_key + ".gz"]
    ids = [leaf.id for leaf in leaves]
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        keys += connection.execute(sa.select(version.c.object_key).where(version.c.instance_id.in_(some))).scalars()
    return keys
