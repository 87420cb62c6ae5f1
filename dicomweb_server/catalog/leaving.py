"""Content leaves and its rows stay: evicted, or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from dicomweb_server.catalog.schema import instance, series, study, version
from dicomweb_server.model.states import State

_CHUNK = 500


class Row(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def series_id(self) -> int: ...

    @property
    def study_id(self) -> int: ...


class Leaving:
    """Within a transaction of somebody else, under the lock of the study."""

    def __call__(
        self, connection: Connection, rows: Sequence[Row], state: State, *, reason: str | None = None
    ) -> list[str]:
        """Instances of one study have no content any more; the object keys that belong to nobody now."""
        ids = [row.id for row in rows]
        keys: list[str] = []
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            keys += connection.execute(sa.select(version.c.object_key).where(version.c.instance_id.in_(some))).scalars()
            connection.execute(sa.delete(version).where(version.c.instance_id.in_(some)))
            connection.execute(
                sa.update(instance)
                .where(instance.c.id.in_(some))
                .values(state=int(state), version=None, attempts=0, reason=reason)
            )
        return keys + self._settle(connection, rows)

    def _settle(self, connection: Connection, rows: Sequence[Row]) -> list[str]:
        """Counts of the parents; the documents of the series that are no longer whole."""
        documents: list[str] = []
        for series_id, count in Counter(row.series_id for row in rows).items():
            key = connection.execute(sa.select(series.c.document_key).where(series.c.id == series_id)).scalar()
            documents += [key, key + ".gz"] if key else []
            connection.execute(
                sa.update(series)
                .where(series.c.id == series_id)
                .values(
                    nearline_count=series.c.nearline_count + count,
                    revision=series.c.revision + 1,
                    document_key=None,
                    document_etag=None,
                    document_instances=None,
                    completed=None,
                )
            )
        connection.execute(
            sa.update(study)
            .where(study.c.id == rows[0].study_id)
            .values(nearline_count=study.c.nearline_count + len(rows))
        )
        return documents
