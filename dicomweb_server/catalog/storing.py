"""Store a batch of instances in one transaction: the hot path of every door.

A study's row is locked first and in order of UIDs, so counts are exact whoever else stores at the same time; the change
sequence is taken last, so it is gap-free in the order of commits and held for a moment only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import summaries, tombstones
from dicomweb_server.catalog.attributes import ISSUER
from dicomweb_server.catalog.base import NewVersion
from dicomweb_server.catalog.changelog import ChangeLog
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.extra import ExtraIndex
from dicomweb_server.catalog.folding import column
from dicomweb_server.catalog.schema import (
    instance,
    instance_metadata,
    patient,
    series,
    study,
    study_document,
    version,
)
from dicomweb_server.catalog.study_values import StudyValues
from dicomweb_server.model.ids import SeriesKey, StudyKey
from dicomweb_server.model.query import Level
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.states import State

_TAG_MODALITY = "00080060"


@dataclass(slots=True)
class _Parent:
    """A study or series on its way to be written; ``id`` is None until it has a row."""

    id: int | None = None
    attributes: DicomJson = field(default_factory=dict)
    changed: bool = False
    patient_id: int | None = None
    series: int = 0
    instances: int = 0
    nearline: int = 0
    pushed: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    version: str | None


class Storing:
    """Statements of the storing transaction, built once."""

    def __init__(self, dialect: Dialect, extra: ExtraIndex) -> None:
        self._dialect = dialect
        self.extra = extra
        self._changes = ChangeLog(dialect)
        self._revive = tombstones.Revive(dialect)
        prepared = dialect.prepared
        c = study.c
        known = sa.select(c.id, c.patient_id, c.series_count, c.instance_count, c.nearline_count).where(
            c.tenant == bindparam("tenant"), c.study_uid == bindparam("uid")
        )
        self._study = prepared(dialect.lock(known))
        self._document = prepared(
            sa.select(study_document.c.attributes).where(study_document.c.study_id == bindparam("id"))
        )
        self._new_study = dialect.insert(study).on_conflict_do_nothing().returning(study.c.id)
        self._update_study = prepared(sa.update(study).where(study.c.id == bindparam("row")))
        put = dialect.insert(study_document)
        self._put_document = prepared(
            put.on_conflict_do_update(
                index_elements=["study_id"],
                set_={"attributes": put.excluded.attributes, "summary": put.excluded.summary},
            )
        )
        s = series.c
        self._series = prepared(
            sa.select(s.id, s.instance_count, s.nearline_count, s.pushed_count, s.attributes).where(
                s.study_id == bindparam("study"), s.series_uid == bindparam("uid")
            )
        )
        self._new_series = sa.insert(series).returning(s.id)
        self._update_series = prepared(
            sa.update(series).where(s.id == bindparam("row")).values(revision=s.revision + 1)
        )
        i = instance.c
        self._instances = prepared(
            sa.select(i.instance_uid, i.id, i.version).where(
                i.series_id == bindparam("series"), dialect.among(i.instance_uid, bindparam("uids"))
            )
        )
        self._new_instances = prepared(sa.insert(instance).returning(i.id, i.instance_uid))
        self._again = (
            sa.update(instance)
            .where(i.id == bindparam("row"))
            .values(
                {
                    name: bindparam(name)
                    for name in ("version", "state", "sop_class", "instance_number", "summary", "reason", "attempts")
                }
            )
        )
        self._new_versions = prepared(sa.insert(version).returning(version.c.id, version.c.instance_id))
        self._new_metadata = prepared(sa.insert(instance_metadata))
        self._new_patient = dialect.insert(patient).on_conflict_do_nothing().returning(patient.c.id)
        self._patient = sa.select(patient.c.id).where(
            patient.c.tenant == bindparam("t"),
            patient.c.issuer == bindparam("i"),
            patient.c.patient_id == bindparam("p"),
        )
        self.values = StudyValues(dialect)

    def __call__(self, connection: Connection, batch: Sequence[NewVersion], *, now: float) -> list[bool]:
        """Which entries were written. An entry whose instance has another current version than it says is not."""
        answers = [False] * len(batch)
        entries = sorted(
            enumerate(batch), key=lambda numbered: (numbered[1].derived.key.tenant, numbered[1].derived.key)
        )
        for key, some in groupby(entries, key=lambda numbered: numbered[1].derived.key.of_study):
            for place in self._store_study(connection, key, list(some), now=now):
                answers[place] = True
        stored = [new.derived.key for new, answer in zip(batch, answers, strict=True) if answer]
        self._changes.add(connection, stored, at=now)
        return answers

    def _store_study(
        self, connection: Connection, key: StudyKey, entries: list[tuple[int, NewVersion]], *, now: float
    ) -> list[int]:
        parent = self._known_study(connection, key)
        entries = _but_deleted(connection, key, entries)
        if parent.id is None:
            if all(new.over is not None for _, new in entries):
                return []
            self._add_study(connection, key, parent)
        stored: list[int] = []
        modalities: set[str] = set()
        for series_key, some in groupby(entries, key=lambda numbered: numbered[1].derived.key.of_series):
            stored += self._store_series(connection, series_key, parent, list(some), modalities, now=now)
        if stored:
            written = set(stored)
            mine = [new for place, new in entries if place in written]
            self.values.add(connection, parent.id, modalities, {new.derived.sop_class for new in mine})
            self.extra.add(connection, parent.id, [new.derived.metadata for new in mine])
            self._write_study(connection, key, parent, now=now)
        return stored

    def _known_study(self, connection: Connection, key: StudyKey) -> _Parent:
        for study_id, patient_id, branches, instances, nearline in self._study(
            connection, {"tenant": key.tenant, "uid": key.study}
        ):
            document = self._document(connection, {"id": study_id})
            return _Parent(
                id=study_id,
                attributes=orjson.loads(document[0][0]) if document else {},
                patient_id=patient_id,
                series=branches,
                instances=instances,
                nearline=nearline,
            )
        return _Parent(changed=True)

    def _add_study(self, connection: Connection, key: StudyKey, parent: _Parent) -> None:
        added = connection.execute(self._new_study, {"tenant": key.tenant, "study_uid": key.study}).scalar()
        if added is not None:
            parent.id = added
            if self._dialect.name == "sqlite":
                return
        # Another transaction was first, or this row is not locked yet.
        found = self._known_study(connection, key)
        for name in _Parent.__slots__:
            setattr(parent, name, getattr(found, name))
        parent.changed = True

    def _store_series(
        self,
        connection: Connection,
        key: SeriesKey,
        above: _Parent,
        entries: list[tuple[int, NewVersion]],
        modalities: set[str],
        *,
        now: float,
    ) -> list[int]:
        parent = self._known_series(connection, key, above)
        known = self._known_instances(connection, parent, entries)
        winners = _winners(entries, known)
        if not winners:
            return []
        for _, new in winners:
            before = known.get(new.derived.key.instance)
            corrects = before is not None and before.version is not None
            for level, at in ((Level.SERIES, parent), (Level.STUDY, above)):
                at.changed |= summaries.merged(at.attributes, new.derived.metadata, level, corrects=corrects)
        if parent.id is None:
            parent.id = connection.execute(
                self._new_series,
                {"study_id": above.id, "series_uid": key.series, "attributes": b"{}", "summary": b""},
            ).scalar_one()
            above.series += 1
        self._write_instances(connection, parent, above, winners, known, now=now)
        self._write_series(connection, key, parent, now=now)
        if parent.changed:
            modalities.update(summaries.texts(parent.attributes.get(_TAG_MODALITY)))
        fresh = [new.derived.key.instance for _, new in winners if new.derived.key.instance not in known]
        if fresh:
            self._revive(connection, key, fresh)
        return [place for place, _ in winners]

    def _known_series(self, connection: Connection, key: SeriesKey, above: _Parent) -> _Parent:
        for series_id, instances, nearline, pushed, attributes in self._series(
            connection, {"study": above.id, "uid": key.series}
        ):
            return _Parent(
                id=series_id,
                attributes=orjson.loads(attributes),
                instances=instances,
                nearline=nearline,
                pushed=pushed,
            )
        return _Parent(changed=True)

    def _known_instances(
        self, connection: Connection, parent: _Parent, entries: list[tuple[int, NewVersion]]
    ) -> dict[str, _Known]:
        if parent.id is None:
            return {}
        uids = self._dialect.listed([new.derived.key.instance for _, new in entries])
        rows = self._instances(connection, {"series": parent.id, "uids": uids})
        return {uid: _Known(row_id, current) for uid, row_id, current in rows}

    def _write_instances(
        self,
        connection: Connection,
        parent: _Parent,
        above: _Parent,
        winners: list[tuple[int, NewVersion]],
        known: dict[str, _Known],
        *,
        now: float,
    ) -> None:
        current = {new.derived.key.instance: new for _, new in winners}
        ids = {uid: known[uid].id for uid in current if uid in known}
        fresh = [_instance_row(new, parent.id) for uid, new in current.items() if uid not in known]
        if fresh:
            ids |= {uid: row_id for row_id, uid in self._new_instances.many(connection, fresh)}
        again = [{**_instance_row(current[uid], parent.id), "row": known[uid].id} for uid in current if uid in known]
        if again:
            connection.execute(self._again, again)
        arrived = sum(known[uid].version is None for uid in current if uid in known)
        pushed = sum(new.origin.source is None for _, new in winners)
        parent.pushed += pushed
        for level in (parent, above):
            level.instances += len(fresh)
            level.nearline -= arrived
        rows = [_version_row(new, ids[new.derived.key.instance], now) for _, new in winners]
        bodies = {(ids[new.derived.key.instance]): new.derived.metadata_json for _, new in winners}
        added = self._new_versions.many(connection, rows)
        latest = {instance_id: version_id for version_id, instance_id in sorted(map(tuple, added))}
        self._new_metadata.many(
            connection, [{"version_id": latest[instance_id], "body": body} for instance_id, body in bodies.items()]
        )

    def _write_series(self, connection: Connection, key: SeriesKey, parent: _Parent, *, now: float) -> None:
        values: dict[str, Any] = {
            "instance_count": parent.instances,
            "nearline_count": parent.nearline,
            "pushed_count": parent.pushed,
            "last_arrival": now,
            "document_key": None,
            "document_etag": None,
            "document_instances": None,
            "completed": None,
            "summary": summaries.of_series(key, parent.attributes, instances=parent.instances),
        }
        if parent.changed:
            values |= summaries.columns(Level.SERIES, parent.attributes)
            values["attributes"] = orjson.dumps(parent.attributes)
        self._update_series(connection, {"row": parent.id, **values})

    def _write_study(self, connection: Connection, key: StudyKey, parent: _Parent, *, now: float) -> None:
        assert parent.id is not None
        values: dict[str, Any] = {
            "series_count": parent.series,
            "instance_count": parent.instances,
            "nearline_count": parent.nearline,
            "updated": now,
        }
        if parent.changed:
            searched = summaries.columns(Level.STUDY, parent.attributes)
            values |= searched
            values["patient_id"] = self._patient_of(connection, key, parent, searched)
        self._update_study(connection, {"row": parent.id, **values})
        if parent.changed:
            self._dialect.write_text(connection, parent.id, searched)
            self.values.write_names(connection, parent.id, searched)
        self.write_document(connection, key, parent.id, parent.attributes, parent.series, parent.instances)

    def write_document(
        self, connection: Connection, key: StudyKey, study_id: int, attributes: DicomJson, series: int, instances: int
    ) -> None:
        """The study as search shows it."""
        values = self.values.shown(connection, study_id)
        summary = summaries.of_study(key, attributes, series=series, instances=instances, values=values)
        self._put_document(
            connection, {"study_id": study_id, "attributes": orjson.dumps(attributes), "summary": summary}
        )

    def _patient_of(
        self, connection: Connection, key: StudyKey, parent: _Parent, searched: dict[str, Any]
    ) -> int | None:
        if not searched["patient_id_text"]:
            return parent.patient_id
        issuer = column("".join(summaries.texts(parent.attributes.get(ISSUER))[:1]))
        found = {"t": key.tenant, "i": issuer, "p": searched["patient_id_text"]}
        row_id = connection.execute(self._patient, found).scalar()
        if row_id is None:
            row = {"tenant": key.tenant, "issuer": issuer, "patient_id": searched["patient_id_text"]}
            row_id = connection.execute(self._new_patient, {**row, "patient_name": searched["patient_name"]}).scalar()
        if row_id is None:
            row_id = connection.execute(self._patient, found).scalar()
        return row_id


def _but_deleted(
    connection: Connection, key: StudyKey, entries: list[tuple[int, NewVersion]]
) -> list[tuple[int, NewVersion]]:
    """``entries`` without what was deleted here while its source was sending it."""
    if all(new.origin.source is None for _, new in entries):
        return entries
    graves = tombstones.graves_of(connection, key).dug
    return [
        (place, new)
        for place, new in entries
        if new.origin.source is None or (new.derived.key.series, new.derived.key.instance) not in graves
    ]


def _winners(entries: list[tuple[int, NewVersion]], known: dict[str, _Known]) -> list[tuple[int, NewVersion]]:
    current = {uid: found.version for uid, found in known.items()}
    winners = []
    for place, new in entries:
        uid = new.derived.key.instance
        if current.get(uid) == new.over:
            winners.append((place, new))
            current[uid] = new.version
    return winners


def _instance_row(new: NewVersion, series_id: int | None) -> dict[str, Any]:
    derived = new.derived
    return {
        "series_id": series_id,
        "instance_uid": derived.key.instance,
        "instance_number": summaries.number(summaries.texts(derived.metadata.get("00200013"))),
        "sop_class": column(derived.sop_class),
        "state": int(State.STORED),
        "version": new.version,
        "summary": summaries.of_instance(derived),
        "reason": None,
        "attempts": 0,
    }


def _version_row(new: NewVersion, instance_id: int, now: float) -> dict[str, Any]:
    derived, origin = new.derived, new.origin
    return {
        "instance_id": instance_id,
        "version": new.version,
        "object_key": new.object_key,
        "size": derived.size,
        "digest": derived.digest,
        "sop_class": column(derived.sop_class),
        "transfer_syntax": column(derived.transfer_syntax),
        "frames": derived.frames,
        "frame_count": derived.frame_count,
        "door": origin.door.value,
        "source": origin.source,
        "calling_aet": origin.calling_aet,
        "stored": now,
    }
