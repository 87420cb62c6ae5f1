"""Fill the index of further attributes for the studies that are there already, while others read and write."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.base import Indexed, Indexing
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.extra import ExtraIndex
from dicomweb_server.catalog.schema import instance, instance_metadata, search_index, series, study_document, version
from dicomweb_server.catalog.schema import study as study_table
from dicomweb_server.model.records import DicomJson

TOGETHER = 20
"""Studies in one transaction: whoever stores waits no longer than for those."""

_S = search_index.c
_STUDIES = (
    sa.select(study_table.c.id).where(study_table.c.id > bindparam("after")).order_by(study_table.c.id).limit(TOGETHER)
)
_OF_STUDY = sa.select(study_document.c.attributes).where(study_document.c.study_id == bindparam("id"))
_OF_SERIES = sa.select(series.c.attributes).where(series.c.study_id == bindparam("id"))
_OF_INSTANCES = (
    sa.select(instance_metadata.c.body)
    .select_from(
        series.join(instance, instance.c.series_id == series.c.id)
        .join(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
        .join(instance_metadata, instance_metadata.c.version_id == version.c.id)
    )
    .where(series.c.study_id == bindparam("id"))
)


class SqlIndexing:
    """What was not indexed by the settings of whoever opens the catalog is no longer taken for covered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._extra = database.extra
        codes = [each.code for each in self._extra.attributes]
        others = sa.select(_S.code).where(_S.code.not_in(codes)).limit(1)
        with database.read() as connection:
            left_out = connection.execute(others).first() is not None
        if left_out:
            with database.write() as connection:
                connection.execute(sa.delete(search_index).where(_S.code.not_in(codes)))

    def step(self) -> Indexed | None:
        with self._database.write(durable=False) as connection:
            pending = self._pending(connection)
            if not pending:
                return None
            after = min(pending.values())
            some = list(connection.execute(_STUDIES, {"after": after}).scalars())
            index = ExtraIndex(
                self._database.dialect, [each for each in self._extra.attributes if each.code in pending]
            )
            for study_id in some:
                index.add(connection, study_id, _data_sets(connection, study_id))
            reached = {"upto": some[-1]} if some else {"covered": True}
            connection.execute(sa.update(search_index).where(_S.code.in_(list(pending))).values(**reached))
            total = connection.execute(sa.select(sa.func.count()).select_from(study_table)).scalar_one()
            upto = some[-1] if some else after
            done = connection.execute(
                sa.select(sa.func.count()).select_from(study_table).where(study_table.c.id <= upto)
            ).scalar_one()
        return Indexed(done if some else total, total)

    def _pending(self, connection: Connection) -> dict[int, int]:
        """The attributes that do not cover every study yet, and the last study each has seen."""
        rows = {row.code: row for row in connection.execute(sa.select(search_index))}
        fresh = [each for each in self._extra.attributes if each.code not in rows]
        if fresh:
            connection.execute(
                sa.insert(search_index),
                [{"code": each.code, "name": each.name, "upto": 0, "covered": False} for each in fresh],
            )
        pending = {each.code: 0 for each in fresh}
        return pending | {code: row.upto for code, row in rows.items() if not row.covered}


def _data_sets(connection: Connection, study_id: int) -> Iterator[DicomJson]:
    for statement in (_OF_STUDY, _OF_SERIES, _OF_INSTANCES):
        for text in connection.execute(statement, {"id": study_id}).scalars():
            if text:
                yield orjson.loads(text)


_: type[Indexing] = SqlIndexing
