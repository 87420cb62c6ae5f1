"""Which attributes have a column, and which the catalog computes, takes over from instances, and returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomweb_server.dicom.attributes import ANSWERS, SERIES, STUDY
from dicomweb_server.model.query import Level


class Sort(StrEnum):
    """How a column compares."""

    TEXT = "text"
    NAME = "name"
    DATE = "date"
    TIME = "time"
    UID = "uid"
    NUMBER = "number"
    SET = "set"
    """Distinct values of a study, in ``study_value``."""


@dataclass(frozen=True, slots=True)
class Indexed:
    level: Level
    column: str
    sort: Sort


_S, _E, _I = Level.STUDY, Level.SERIES, Level.INSTANCE

INDEXED: dict[int, Indexed] = {
    0x00080020: Indexed(_S, "study_date", Sort.DATE),
    0x00080030: Indexed(_S, "study_time", Sort.TIME),
    0x00080050: Indexed(_S, "accession_number", Sort.TEXT),
    0x00080061: Indexed(_S, "", Sort.SET),
    0x00080062: Indexed(_S, "", Sort.SET),
    0x00080090: Indexed(_S, "referring_physician", Sort.NAME),
    0x00081030: Indexed(_S, "study_description", Sort.TEXT),
    0x00100010: Indexed(_S, "patient_name", Sort.NAME),
    0x00100020: Indexed(_S, "patient_id_text", Sort.TEXT),
    0x00100021: Indexed(_S, "issuer", Sort.TEXT),
    0x00100030: Indexed(_S, "patient_birth_date", Sort.DATE),
    0x00100040: Indexed(_S, "patient_sex", Sort.TEXT),
    0x0020000D: Indexed(_S, "study_uid", Sort.UID),
    0x00200010: Indexed(_S, "study_id_text", Sort.TEXT),
    0x00080021: Indexed(_E, "series_date", Sort.DATE),
    0x00080031: Indexed(_E, "series_time", Sort.TIME),
    0x00080060: Indexed(_E, "modality", Sort.TEXT),
    0x00080080: Indexed(_E, "institution_name", Sort.TEXT),
    0x0008103E: Indexed(_E, "series_description", Sort.TEXT),
    0x00081010: Indexed(_E, "station_name", Sort.TEXT),
    0x00180015: Indexed(_E, "body_part", Sort.TEXT),
    0x00181030: Indexed(_E, "protocol_name", Sort.TEXT),
    0x0020000E: Indexed(_E, "series_uid", Sort.UID),
    0x00200011: Indexed(_E, "series_number", Sort.NUMBER),
    0x00400244: Indexed(_E, "pps_start_date", Sort.DATE),
    0x00400245: Indexed(_E, "pps_start_time", Sort.TIME),
    0x00201206: Indexed(_S, "series_count", Sort.NUMBER),
    0x00201208: Indexed(_S, "instance_count", Sort.NUMBER),
    0x00201209: Indexed(_E, "instance_count", Sort.NUMBER),
    0x00080016: Indexed(_I, "sop_class", Sort.UID),
    0x00080018: Indexed(_I, "instance_uid", Sort.UID),
    0x00200013: Indexed(_I, "instance_number", Sort.NUMBER),
}

REQUIRED_KEYS = frozenset(
    {
        0x00080020,
        0x00080030,
        0x00080050,
        0x00080060,
        0x00100010,
        0x00100020,
        0x00200010,
        0x00200011,
        0x00200013,
    }
)
"""Keys of type R: by the letter an empty one is unknown and matches anything (PS3.4 C.2.2.1.2, C.6.2.1)."""

MODALITIES, SOP_CLASSES = 0x00080061, 0x00080062
AVAILABILITY = "00080056"
ISSUER = "00100021"

COMPUTED: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset({AVAILABILITY, "00080061", "00080062", "00081190", "00201206", "00201208"}),
    Level.SERIES: frozenset({AVAILABILITY, "00081190", "00201209"}),
    Level.INSTANCE: frozenset({AVAILABILITY, "00081190", "00083002"}),
}
"""Known to this server only; what a stored instance says of them is not believed."""

REQUIRED: dict[Level, dict[str, str]] = {
    level: {f"{tag:08X}": answer.vr for tag, answer in answers.items() if answer.always}
    for level, answers in ANSWERS.items()
}
"""There even when empty (Q-20 to Q-23)."""

RETURNED: dict[Level, frozenset[str]] = {
    level: frozenset(f"{tag:08X}" for tag in answers) | {AVAILABILITY} for level, answers in ANSWERS.items()
}
"""Returned unasked, when there is a value or one is required."""

TAGS: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset(f"{tag:08X}" for tag in STUDY) - COMPUTED[Level.STUDY],
    Level.SERIES: frozenset(f"{tag:08X}" for tag in SERIES) - COMPUTED[Level.SERIES] | {"00080201"},
}
"""What a study or series takes over from its instances."""

_INSTANCE_TAGS = """
00080008 00080016 00080018 00080022 00080023 00080032 00080033 00080201 00200013 00200012 00280002 00280004 00280008
00280010 00280011 00280100 00280101 00400554 0040A043 0040A491 0040A493 00420010 00700080 00700081
"""

INSTANCE_SHOWN = frozenset(_INSTANCE_TAGS.split())
"""Attributes of an instance that its row carries; others are read from its metadata."""
