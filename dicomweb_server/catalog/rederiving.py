"""Write anew what was once read from a study's files: metadata, summaries, search attributes; the files stay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import summaries
from dicomweb_server.catalog.base import Reread
from dicomweb_server.catalog.folding import column
from dicomweb_server.catalog.schema import instance, instance_metadata, series, study, version
from dicomweb_server.catalog.storing import Storing, _Parent
from dicomweb_server.model.ids import SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Level
from dicomweb_server.model.records import Derived
from dicomweb_server.model.states import State

_ROWS = (
    sa.select(
        series.c.series_uid,
        instance.c.instance_uid,
        instance.c.id,
        version.c.version,
        version.c.id.label("version_id"),
    )
    .select_from(
        study.join(series, series.c.study_id == study.c.id)
        .join(instance, instance.c.series_id == series.c.id)
        .join(version, sa.and_(version.c.instance_id == instance.c.id, version.c.version == instance.c.version))
    )
    .where(study.c.id == bindparam("study"))
)
_WRITE_INSTANCE = (
    sa.update(instance)
    .where(instance.c.id == bindparam("row"))
    .values(
        summary=bindparam("summary"),
        sop_class=bindparam("sop_class"),
        instance_number=bindparam("instance_number"),
        state=int(State.STORED),
        reason=None,
        attempts=0,
    )
)
_WRITE_VERSION = (
    sa.update(version)
    .where(version.c.id == bindparam("row"))
    .values(
        frames=bindparam("frames"),
        frame_count=bindparam("frame_count"),
        sop_class=bindparam("sop_class"),
        transfer_syntax=bindparam("transfer_syntax"),
    )
)
_WRITE_METADATA = (
    sa.update(instance_metadata)
    .where(instance_metadata.c.version_id == bindparam("row"))
    .values(body=bindparam("body"))
)


class Rederiving(Storing):
    """Attributes of a study are corrected, not emptied: what is announced only keeps its source's words."""

    def rederive(self, connection: Connection, key: StudyKey, found: Sequence[Reread], *, now: float) -> list[Ticket]:
        """Work that follows; none when the study is gone."""
        parent = self._known_study(connection, key)
        if parent.id is None:
            return []
        rows = {
            (row.series_uid, row.instance_uid, row.version): row
            for row in connection.execute(_ROWS, {"study": parent.id})
        }
        read = {(each.derived.key.series, each.derived.key.instance, each.version): each.derived for each in found}
        mine = sorted((read[name] for name in read.keys() & rows.keys()), key=lambda each: each.key)
        for series_key, some in groupby(mine, key=lambda each: each.key.of_series):
            self._series_anew(connection, series_key, parent, list(some), now=now)
        for name in read.keys() & rows.keys():
            self._write(connection, rows[name].id, rows[name].version_id, read[name])
        parent.changed = True
        self.values.recount(connection, parent.id)
        self.extra.add(connection, parent.id, [each.metadata for each in mine])
        self._write_study(connection, key, parent, now=now)
        self._changes.add(connection, [key], at=now)
        touched = dict.fromkeys(each.key.of_series for each in mine)
        return [
            *(Ticket(Kind.PREPROCESS, each.key, Band.DERIVED) for each in mine),
            *(Ticket(Kind.RECONCILE, each, Band.DERIVED) for each in touched),
        ]

    def _series_anew(
        self,
        connection: Connection,
        key: SeriesKey,
        above: _Parent,
        found: Sequence[Derived],
        *,
        now: float,
    ) -> None:
        parent = self._known_series(connection, key, above)
        parent.attributes, parent.changed = {}, True
        for each in reversed(found):
            for level, at in ((Level.SERIES, parent), (Level.STUDY, above)):
                summaries.merged(at.attributes, each.metadata, level, corrects=True)
        self._write_series(connection, key, parent, now=now)

    def _write(self, connection: Connection, row: int, version_row: int, found: Derived) -> None:
        sop_class = column(found.sop_class)
        number = summaries.number(summaries.texts(found.metadata.get("00200013")))
        connection.execute(
            _WRITE_INSTANCE,
            {"row": row, "summary": summaries.of_instance(found), "sop_class": sop_class, "instance_number": number},
        )
        connection.execute(
            _WRITE_VERSION,
            {
                "row": version_row,
                "frames": found.frames,
                "frame_count": found.frame_count,
                "sop_class": sop_class,
                "transfer_syntax": column(found.transfer_syntax),
            },
        )
        connection.execute(_WRITE_METADATA, {"row": version_row, "body": found.metadata_json})
