"""Describe what a collection asks for, and see it to its end: the stages above those of single studies.

``Describe`` works on whatever was requested: it finds the studies, announces all of them, and queues what is wanted.
``Settle`` looks at what is loading, ends what is complete, and tells whoever asked for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from dicomweb_server.catalog.base import AnnouncedSeries, Catalog
from dicomweb_server.model.collections import Action, Collection, Member, Phase, StudyCounts
from dicomweb_server.model.errors import BackendFailed, DicomwebError, Gone, NotFound
from dicomweb_server.model.ids import SeriesKey, StudyKey, is_uid
from dicomweb_server.model.manifest import MANIFESTS, Manifest, ManifestStudy
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.states import State
from dicomweb_server.notices.base import Notice, Notices, Subject
from dicomweb_server.signals.base import TICKETS, Signals
from dicomweb_server.sources.base import Source

log = logging.getLogger(__name__)

STUDY_UID, DATE, TIME = "0020000D", "00080020", "00080030"
PATIENT_ID, ISSUER = 0x00100020, 0x00100021
MOST_STUDIES = 10_000
CLAIM_SECONDS = 300.0
"""A worker that was not done with a description by then is taken for dead."""
ARRIVING = frozenset({State.ANNOUNCED, State.QUEUED, State.FETCHING})


@dataclass(frozen=True, slots=True)
class Describe:
    catalog: Catalog
    sources: Sequence[Source]
    """Those that are asked for the studies of a patient."""
    collect: Callable[[StudyKey], str]
    """Announces a study as the first source that knows it describes it."""
    manifest: Callable[[Collection], Manifest]
    """The manifest a collection is made of."""
    purge: Callable[[StudyKey], int]
    signals: Signals
    attempts: int = 5
    seconds: float = 10.0
    """How long a source may search for the studies of a patient."""

    def __call__(self) -> int:
        """Work on all that waits; how many collections."""
        done = 0
        while (claimed := self.catalog.collections.claim(seconds=CLAIM_SECONDS)) is not None:
            self._one(claimed)
            done += 1
        return done

    def _one(self, wanted: Collection) -> None:
        records = self.catalog.collections
        if wanted.attempts > self.attempts:
            records.end(wanted.id, Phase.FAILED, reason=f"given up after {self.attempts} attempts; {wanted.reason}")
            return
        try:
            members, remark = self._announced(wanted)
        except DicomwebError as error:
            passing = isinstance(error, BackendFailed) and error.passing
            if passing and wanted.attempts < self.attempts:
                records.later(wanted.id, str(error), seconds=2.0**wanted.attempts)
            else:
                records.end(wanted.id, Phase.FAILED, reason=str(error))
            return
        if wanted.action is Action.PURGE:
            for each in members:
                self.purge(StudyKey(each.study, wanted.tenant))
        tickets = list(self._loads(wanted, members)) if wanted.action is Action.STORE else []
        records.described(wanted.id, members, reason=remark, tickets=tickets)
        if wanted.action is not Action.STORE:
            records.end(wanted.id, Phase.READY)
        self.signals.announce(TICKETS)

    def _announced(self, wanted: Collection) -> tuple[list[Member], str]:
        """All its studies, announced where a source has them, and what was passed over. Raises DicomwebError."""
        if "manifest" in wanted.request or "manifest_url" in wanted.request:
            return self._of_manifest(wanted)
        if "patient" in wanted.request:
            members, remarks = self._of_patient(wanted)
        else:
            named = dict.fromkeys(wanted.request["studies"])
            members, remarks = [Member(study, position=n) for n, study in enumerate(named, 1)], []
        if wanted.action is Action.PURGE:
            return members, ""
        known = []
        unreached: BackendFailed | None = None
        for each in members:
            key = StudyKey(each.study, wanted.tenant)
            try:
                self.collect(key)
            except NotFound as error:
                if not self._is_here(key):
                    remarks.append(str(error))
                    continue
            except BackendFailed as error:
                if not self._is_here(key):
                    unreached = error
                    remarks.append(str(error))
                    continue
            known.append(each)
        if not known:
            raise unreached or NotFound("no source knows any of it" if not remarks else "; ".join(remarks[:3]))
        return known, "; ".join(remarks)

    def _of_patient(self, wanted: Collection) -> tuple[list[Member], list[str]]:
        """The studies of a patient, the oldest first, and which sources could not be asked."""
        patient = wanted.request["patient"]
        asked = [Key((PATIENT_ID,), "LO", Match.SINGLE, (patient["id"],))]
        if patient.get("issuer"):
            asked.append(Key((ISSUER,), "LO", Match.SINGLE, (patient["issuer"],)))
        query = Query(Level.STUDY, keys=tuple(asked), limit=MOST_STUDIES, tenant=wanted.tenant)
        found = {_text(each, STUDY_UID): each for each in map(orjson.loads, self.catalog.search.find(query).matches)}
        remarks = []
        for source in self.sources if wanted.action is not Action.PURGE else ():
            try:
                for each in source.search(query, seconds=self.seconds):
                    if is_uid(_text(each, STUDY_UID)) and _text(each, f"{PATIENT_ID:08X}") == patient["id"]:
                        found.setdefault(_text(each, STUDY_UID), each)
            except DicomwebError as error:
                remarks.append(f"source {source.name} could not be asked: {error}")
        if remarks and not found:
            raise BackendFailed("; ".join(remarks), passing=True)
        if not found:
            raise NotFound("nothing is known of this patient")
        ordered = sorted(found, key=lambda uid: (_text(found[uid], DATE), _text(found[uid], TIME), uid))
        return [Member(uid, position=n) for n, uid in enumerate(ordered, 1)], remarks

    def _of_manifest(self, wanted: Collection) -> tuple[list[Member], str]:
        """The studies a manifest names, and which of them were deleted here. Raises Gone where all of them were."""
        manifest = self.manifest(wanted)
        members = [Member(study.uid, study.time_point, study.position) for study in manifest.studies]
        if wanted.action is Action.PURGE:
            return members, ""
        deleted: dict[str, str] = {}
        for study in manifest.studies:
            attributes = _of_study(manifest, study)
            series = list(_series(study, attributes, wanted.tenant))
            try:
                self.catalog.pulling.announce(StudyKey(study.uid, wanted.tenant), MANIFESTS, attributes, series)
            except Gone as error:
                deleted[study.uid] = str(error)
        remarks = "; ".join(deleted.values())
        if deleted and len(deleted) == len(members):
            raise Gone(remarks)
        return [each for each in members if each.study not in deleted], remarks

    def _is_here(self, key: StudyKey) -> bool:
        try:
            return bool(self.catalog.holdings.series_of(key))
        except NotFound:
            return False

    def _loads(self, wanted: Collection, members: Sequence[Member]) -> Iterator[Ticket]:
        """What failed before is tried again."""
        band = Band.EAGER if wanted.eager else Band.STUDY
        for each in members:
            key = StudyKey(each.study, wanted.tenant)
            self.catalog.mending.retry(key)
            missing = self.catalog.pulling.missing(key)
            arriving = dict.fromkeys(one.key.of_series for one in missing if one.source and one.state in ARRIVING)
            yield from (Ticket(Kind.CACHE_SERIES, series, band) for series in arriving)


@dataclass(slots=True)
class Settle:
    catalog: Catalog
    tell: Callable[[Collection, Notice], None]
    """Tells whoever asked for a collection, as its request wants it. Raises BackendFailed."""
    notices: Notices
    keep_seconds: float = 86_400.0
    now: Callable[[], float] = time.time
    _failed: dict[str, int] = field(default_factory=dict)

    def __call__(self) -> None:
        records = self.catalog.collections
        for each in records.loading():
            ended = phase_of(records.counts(each.id, each.tenant))
            if ended is not None:
                records.end(each.id, ended, reason=_shortfall(records.counts(each.id, each.tenant)))
        for each in records.untold():
            self._tell(each)
        records.expire(before=self.now() - self.keep_seconds)

    def _tell(self, ended: Collection) -> None:
        """Whoever asked is told at least once; one who cannot be reached is tried some times."""
        subject = Subject.COLLECTION_READY if ended.phase is Phase.READY else Subject.COLLECTION_FAILED
        text = f"The collection is {ended.phase}" + (f": {ended.reason}" if ended.reason else "")
        notice = Notice(subject, ended.id, text, {"action": ended.action, "phase": ended.phase})
        try:
            self.tell(ended, notice)
        except BackendFailed as error:
            tries = self._failed[ended.id] = self._failed.get(ended.id, 0) + 1
            if error.passing and tries < 5:
                return
            log.error("nobody could be told of the end of collection %s: %s", ended.id, error)
        self._failed.pop(ended.id, None)
        if ended.phase is Phase.FAILED:
            self.notices.send(notice)
        self.catalog.collections.told(ended.id)


def phase_of(counts: Sequence[StudyCounts]) -> Phase | None:
    """READY or FAILED once nothing of it is on its way, else None."""
    states = {state for each in counts for state, count in each.counts.items() if count}
    if states & (ARRIVING | {State.STORED}):
        return None
    return Phase.FAILED if states == {State.FAILED} else Phase.READY


def _shortfall(counts: Sequence[StudyCounts]) -> str:
    failed = sum(each.counts.get(State.FAILED, 0) for each in counts)
    return f"{failed} instances could not be had" if failed else ""


def _of_study(manifest: Manifest, study: ManifestStudy) -> DicomJson:
    patient = {"00100020": ("LO", manifest.patient_id), "00100021": ("LO", manifest.issuer)}
    named = {tag: {"vr": vr, "Value": [text]} for tag, (vr, text) in patient.items() if text}
    return {**named, **study.attributes, STUDY_UID: {"vr": "UI", "Value": [study.uid]}}


def _series(study: ManifestStudy, attributes: DicomJson, tenant: str) -> Iterator[AnnouncedSeries]:
    for each in study.series:
        key = SeriesKey(study.uid, each.uid, tenant)
        described = [
            {**entry.attributes, "00080018": {"vr": "UI", "Value": [entry.key.instance]}} for entry in each.instances
        ]
        locations = {entry.key.instance: entry.location for entry in each.instances}
        series = {**each.attributes, "0020000E": {"vr": "UI", "Value": [each.uid]}}
        yield AnnouncedSeries(key, series, described, locations)


def _text(data_set: DicomJson, tag: str) -> str:
    values = data_set.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")
