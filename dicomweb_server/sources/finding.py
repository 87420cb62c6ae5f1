"""C-FIND at a PACS, by the study root or the patient root (PS3.4 C.6).

The patient root has the patient above the study: every identifier names its PatientID. Where only a study is known, the
PACS is asked for it without a patient, which many allow, and then patient by patient.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.model.query import Level, Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.associations import Associations
from dicomweb_server.sources.identifiers import answered, asking, describing, describing_patients
from dicomweb_server.sources.statuses import PENDING, SUCCESS, code_of, refusal

PATIENT_ID = "00100020"
PATIENT_KEYS = frozenset({0x00100010, 0x00100020, 0x00100030, 0x00100040})
REMEMBERED = 10_000
MOST_PATIENTS = 10_000
"""So many patients are looked through for a study."""


@dataclass(frozen=True, slots=True)
class Root:
    """The SOP classes of one information model."""

    find: UID
    get: UID
    move: UID
    has_patient: bool


STUDY_ROOT = Root(
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    False,
)
PATIENT_ROOT = Root(
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    True,
)


@dataclass(slots=True)
class Finding:
    name: str
    associations: Associations
    root: Root = STUDY_ROOT
    now: Callable[[], float] = time.monotonic
    _patients: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        limit = query.limit + query.offset
        if not self.root.has_patient:
            return self._find(asking(query), limit=limit, seconds=seconds)
        if query.level is not Level.STUDY:
            identifier = asking(query)
            identifier.PatientID = self.patient(query.study) if query.study else ""
            return self._find(identifier, limit=limit, seconds=seconds)
        return self._patients_studies(query, limit, seconds)

    def series(self, study: str) -> list[DicomJson]:
        """Raises NotFound where the PACS does not know the study."""
        found = self._find(describing(Level.SERIES, study=study, patient=self.patient(study)))
        if not found:
            raise NotFound(f"{self.name} does not know study {study}")
        return found

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        patient = self.patient(key.study)
        return self._find(describing(Level.INSTANCE, study=key.study, series=key.series, patient=patient))

    def patient(self, study: str) -> str | None:
        """Whose study it is, where identifiers must say so; None under the study root. Raises NotFound."""
        if not self.root.has_patient:
            return None
        if study not in self._patients:
            found = next(self._searched(study), None)
            if found is None:
                raise NotFound(f"{self.name} does not know study {study}")
            self._remember([found])
        return self._patients[study]

    def _searched(self, study: str) -> Iterator[DicomJson]:
        try:
            yield from self._find(describing(Level.STUDY, study=study))
        except BackendFailed as error:
            if error.passing:
                raise
        for patient in self._find(describing_patients(), limit=MOST_PATIENTS):
            yield from self._find(describing(Level.STUDY, study=study, patient=_text(patient, PATIENT_ID)))

    def _patients_studies(self, query: Query, limit: int, seconds: float) -> list[DicomJson]:
        until = self.now() + seconds
        one = [key for key in query.keys if key.path == (0x00100020,) and key.match is Match.SINGLE]
        if one:
            found = self._find(asking(query), limit=limit, seconds=seconds)
            self._remember(found)
            return found
        theirs = [key for key in query.keys if key.path[0] in PATIENT_KEYS]
        others = replace(query, keys=tuple(key for key in query.keys if key.path[0] not in PATIENT_KEYS))
        found = []
        for patient in self._find(describing_patients(theirs), limit=MOST_PATIENTS, seconds=seconds):
            if len(found) >= limit or self.now() >= until:
                break
            identifier = asking(others)
            identifier.PatientID = _text(patient, PATIENT_ID)
            found += self._find(identifier, limit=limit - len(found), seconds=max(0.1, until - self.now()))
        self._remember(found)
        return found

    def _remember(self, studies: Sequence[DicomJson]) -> None:
        for each in studies:
            self._patients[_text(each, "0020000D")] = _text(each, PATIENT_ID)
        while len(self._patients) > REMEMBERED:
            self._patients.popitem(last=False)

    def _find(self, identifier: Dataset, *, limit: int | None = None, seconds: float | None = None) -> list[DicomJson]:
        found: list[DicomJson] = []
        model = self.root.find
        with self.associations.one([build_context(model)], seconds=seconds) as association:
            for status, answer in association.send_c_find(identifier, model):
                code = code_of(status, self.name, "C-FIND")
                if code in PENDING and answer is not None:
                    found.append(answered(answer))
                    if limit is not None and len(found) >= limit:
                        association.send_c_cancel(1, query_model=model)
                        association.release()  # what was sent before the cancel arrived must not meet the next request
                        break
                elif code not in (SUCCESS, *PENDING):
                    raise BackendFailed(f"{self.name} refused C-FIND: {refusal(code)}")
        return found


def _text(data_set: DicomJson, tag: str) -> str:
    return str((data_set.get(tag, {}).get("Value") or [""])[0])
