"""Rows of what a source holds: described as far as it tells, and without any content yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import summaries, tombstones
from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.folding import column
from dicomweb_server.catalog.schema import instance
from dicomweb_server.catalog.storing import Storing, _Parent
from dicomweb_server.model.errors import Gone
from dicomweb_server.model.ids import InstanceKey, StudyKey
from dicomweb_server.model.query import Level
from dicomweb_server.model.records import Derived, DicomJson
from dicomweb_server.model.states import State

_MOVED = (
    sa.update(instance)
    .where(
        instance.c.series_id == bindparam("row"),
        instance.c.instance_uid == bindparam("uid"),
        instance.c.source == bindparam("from"),
    )
    .values(source_location=bindparam("lies"))
)


class Announcing(Storing):
    """The storing transaction without any content."""

    def announce(
        self,
        connection: Connection,
        key: StudyKey,
        source: str,
        attributes: DicomJson,
        found: Sequence[AnnouncedSeries],
        *,
        now: float,
    ) -> None:
        """Raises Gone where the study was deleted here; what of it was is left out."""
        parent = self._known_study(connection, key)
        graves = tombstones.graves_of(connection, key)
        if graves.whole:
            raise Gone(f"study {key.study} was deleted here")
        if parent.id is None:
            self._add_study(connection, key, parent)
        found = [_but_deleted(one, graves) for one in found if not graves.holds(one.key.series)]
        parent.changed |= summaries.merged(parent.attributes, attributes, Level.STUDY)
        modalities: set[str] = set()
        classes: set[str] = set()
        fresh: list[InstanceKey] = []
        for one in found:
            fresh += self._announce_series(connection, parent, source, one, now=now)
            modalities.update(summaries.texts(one.attributes.get("00080060")))
            classes.update(text for each in one.instances for text in summaries.texts(each.get("00080016")))
        self.values.add(connection, parent.id, modalities, classes)
        described = [each for one in found for each in (one.attributes, *one.instances)]
        self.extra.add(connection, parent.id, [attributes, *described])
        self._write_study(connection, key, parent, now=now)
        self._changes.add(connection, fresh, at=now)

    def _announce_series(
        self, connection: Connection, above: _Parent, source: str, one: AnnouncedSeries, *, now: float
    ) -> list[InstanceKey]:
        parent = self._known_series(connection, one.key, above)
        parent.changed |= summaries.merged(parent.attributes, one.attributes, Level.SERIES)
        if parent.id is None:
            values = {"study_id": above.id, "series_uid": one.key.series, "attributes": b"{}", "summary": b""}
            parent.id = connection.execute(self._new_series, values).scalar_one()
            above.series += 1
        if one.locations:
            moved = [
                {"row": parent.id, "uid": uid, "lies": str(lies), "from": source} for uid, lies in one.locations.items()
            ]
            connection.execute(_MOVED, moved)
        uids = {_uid(each): each for each in one.instances}
        there = self._instances(connection, {"series": parent.id, "uids": self._dialect.listed(list(uids))})
        here = {uid for uid, _, _ in there}
        fresh = {uid: each for uid, each in uids.items() if uid not in here}
        if not fresh and not parent.changed:
            return []
        if fresh:
            rows = [_row(one, uid, each, parent.id, source) for uid, each in fresh.items()]
            connection.execute(sa.insert(instance), rows)
        for level in (parent, above):
            level.instances += len(fresh)
            level.nearline += len(fresh)
        self._write_series(connection, one.key, parent, now=now)
        return [InstanceKey(one.key.study, one.key.series, uid, one.key.tenant) for uid in fresh]


def _but_deleted(one: AnnouncedSeries, graves: tombstones.Graves) -> AnnouncedSeries:
    kept = [each for each in one.instances if not graves.holds(one.key.series, _uid(each))]
    return one if len(kept) == len(one.instances) else replace(one, instances=kept)


def _uid(data_set: DicomJson) -> str:
    return "".join(summaries.texts(data_set.get("00080018"))[:1])


def _row(one: AnnouncedSeries, uid: str, data_set: DicomJson, series_id: int, source: str) -> dict[str, object]:
    sop_class = "".join(summaries.texts(data_set.get("00080016"))[:1])
    place = InstanceKey(one.key.study, one.key.series, uid, one.key.tenant)
    lies = one.locations.get(uid)
    described = Derived(place, sop_class, "", data_set, b"", None, 0, b"", 0)
    return {
        "series_id": series_id,
        "instance_uid": uid,
        "instance_number": summaries.number(summaries.texts(data_set.get("00200013"))),
        "sop_class": column(sop_class),
        "state": int(State.ANNOUNCED),
        "source": source,
        "source_location": None if lies is None else str(lies),
        "summary": summaries.of_instance(described),
    }
