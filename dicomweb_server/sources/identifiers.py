"""C-FIND and C-MOVE identifiers, from and to the server's own words (PS3.4 C.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import DicomJson

STUDY = [
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
]
SERIES = [
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "NumberOfSeriesRelatedInstances",
]

LEVELS = {Level.STUDY: "STUDY", Level.SERIES: "SERIES", Level.INSTANCE: "IMAGE"}
INSTANCE = ["SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames", "BitsAllocated"]

ASKED = {Level.STUDY: STUDY, Level.SERIES: SERIES, Level.INSTANCE: INSTANCE}
UNIQUE = {Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID", Level.INSTANCE: "SOPInstanceUID"}

NEVER_KEYS = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability"})


def asking(query: Query) -> Dataset:
    """The C-FIND identifier of a search: its keys, everything we use, and the unique keys of the levels above."""
    identifier = describing(query.level, study=query.study, series=query.series)
    for path in query.include:
        _ask(identifier, path[0])
    for key in query.keys:
        if len(key.path) == 1:
            _set(identifier, key.path[0], _matching(key))
    return identifier


def describing(
    level: Level, *, study: str | None = None, series: str | None = None, patient: str | None = None
) -> Dataset:
    """An identifier that asks for everything of a level below the named patient, study and series."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = LEVELS[level]
    identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ASKED[level]:
        setattr(identifier, keyword, None if keyword != UNIQUE[level] else "")
    if study is not None:
        identifier.StudyInstanceUID = study
    if series is not None:
        identifier.SeriesInstanceUID = series
    if patient is not None:
        identifier.PatientID = patient
    return identifier


def describing_patients(keys: Iterable[Key] = ()) -> Dataset:
    """An identifier of the patient root that asks for the patients that match."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "PATIENT"
    identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.PatientID = identifier.PatientName = ""
    for key in keys:
        _set(identifier, key.path[0], _matching(key))
    return identifier


def retrieving(study: str, series: str, instances: Iterable[str] = (), *, patient: str | None = None) -> Dataset:
    """The identifier of a retrieval: unique keys only (D-30); the series as a whole when no instance is named."""
    identifier = Dataset()
    identifier.StudyInstanceUID = study
    identifier.SeriesInstanceUID = series
    if patient is not None:
        identifier.PatientID = patient
    wanted = list(instances)
    identifier.QueryRetrieveLevel = "IMAGE" if wanted else "SERIES"
    if wanted:
        identifier.SOPInstanceUID = wanted
    return identifier


def answered(identifier: Dataset) -> DicomJson:
    """A C-FIND answer as a data set in the DICOM JSON model, text decoded by its own character set (D-23)."""
    identifier.decode()
    found: dict[str, Any] = {}
    for element in identifier:
        if element.keyword not in NEVER_KEYS and element.tag.group > 0x0002 and element.VR != "SQ":
            found[f"{int(element.tag):08X}"] = _json(element)
    return found


def _json(element: DataElement) -> dict[str, Any]:
    value = element.value
    if value is None or value == "":
        return {"vr": element.VR}
    values = list(value) if isinstance(value, MultiValue) else [value]
    return {"vr": element.VR, "Value": [_plain(element.VR, each) for each in values]}


def _plain(vr: str, value: Any) -> Any:
    if vr == "PN":
        groups = zip(("Alphabetic", "Ideographic", "Phonetic"), str(value).split("="), strict=False)
        return {name: text for name, text in groups if text} or None
    if vr == "IS":
        return int(value)
    if vr in ("DS", "FL", "FD"):
        return float(value)
    return value if isinstance(value, int) else str(value)


def _matching(key: Key) -> str:
    match key.match:
        case Match.UNIVERSAL:
            return ""
        case Match.RANGE:
            return "-".join(key.values)
        case Match.FUZZY:
            return "*" + "*".join(key.values) + "*"
        case _:
            return "\\".join(key.values)


def _ask(identifier: Dataset, tag: int) -> None:
    if Tag(tag) not in identifier and keyword_for_tag(tag):
        _set(identifier, tag, "")


def _set(identifier: Dataset, tag: int, value: str) -> None:
    vr = str(dictionary_VR(tag)).split(" ")[0] if keyword_for_tag(tag) else "LO"
    identifier.add_new(tag, vr, value if vr != "SQ" else [])
