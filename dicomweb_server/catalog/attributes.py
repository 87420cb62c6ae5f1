"""Which attributes belong to which level, and which of them have a column (PS3.4 C.6.1.1, PS3.18 10.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    0x00080016: Indexed(_I, "sop_class", Sort.UID),
    0x00080018: Indexed(_I, "instance_uid", Sort.UID),
    0x00200013: Indexed(_I, "instance_number", Sort.NUMBER),
}

MODALITIES, SOP_CLASSES = 0x00080061, 0x00080062
AVAILABILITY = "00080056"
ISSUER = "00100021"

REQUIRED: dict[Level, dict[str, str]] = {
    Level.STUDY: {
        "00080020": "DA",
        "00080030": "TM",
        "00080050": "SH",
        "00080061": "CS",
        "00080090": "PN",
        "00081190": "UR",
        "00100010": "PN",
        "00100020": "LO",
        "00100030": "DA",
        "00100040": "CS",
        "0020000D": "UI",
        "00200010": "SH",
        "00201206": "IS",
        "00201208": "IS",
    },
    Level.SERIES: {"00080060": "CS", "00081190": "UR", "0020000E": "UI", "00200011": "IS", "00201209": "IS"},
    Level.INSTANCE: {"00080016": "UI", "00080018": "UI", "00081190": "UR", "00200013": "IS"},
}
"""There even when empty (Q-20 to Q-23)."""

IF_KNOWN: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset({AVAILABILITY, "00080201"}),
    Level.SERIES: frozenset({AVAILABILITY, "00080201", "0008103E", "0020000D", "00400244", "00400245", "00400275"}),
    Level.INSTANCE: frozenset(
        {
            AVAILABILITY,
            "00080201",
            "0020000D",
            "0020000E",
            "00280008",
            "00280010",
            "00280011",
            "00280100",
            "00083002",
        }
    ),
}
"""Returned unasked when there is a value; the keys of the levels above always are (Q-25)."""

RETURNED: dict[Level, frozenset[str]] = {level: frozenset(REQUIRED[level]) | IF_KNOWN[level] for level in Level}

_STUDY_TAGS = """
00080020 00080030 00080050 00080051 00080090 00080096 0008009C 00080201 00081030 00081032 00081048 00081049 00081060
00081062 00081080 00081084 00081110 00081111 00100010 00100020 00100021 00100022 00100024 00100030 00100032 00100033
00100034 00100035 00100040 00101000 00101001 00101002 00101005 00101010 00101020 00101021 00101022 00101030 00101040
00101060 00101090 00102000 00102110 00102150 00102152 00102154 00102160 00102180 001021A0 001021B0 001021C0 001021D0
001021F0 00102201 00102202 00102203 00102210 00102297 00104000 00120010 00120020 00120021 00120030 00120031 00120040
00120042 00120050 00120051 00120060 00120062 00120063 00120064 0020000D 00200010 00201070 00321032 00321033 00321060
00321064 00380010 00380014 00380050 00380060 00380062 00380064 00380500 00401012
"""
"""Patient, General Study, Patient Study and Clinical Trial Subject/Study modules (PS3.3 C.7.1, C.7.2)."""

_SERIES_TAGS = """
00080021 00080031 00080060 00080070 00080080 00080081 00080082 00081010 0008103E 0008103F 00081040 00081041 00081050
00081052 00081070 00081072 00081090 00081250 00080068 00180010 00180015 00181000 00181002 00181020 00181030 00181200
00181201 00185100 0020000E 00200011 00200052 00200060 00201040 00280108 00280109 00400244 00400245 00400250 00400251
00400253 00400254 00400255 00400260 00400275 00400280 00120071 00120072 00081111 00080201
"""
"""General Series, Frame of Reference, General Equipment and Clinical Trial Series modules (PS3.3 C.7.3 to C.7.5)."""

_INSTANCE_TAGS = """
00080008 00080016 00080018 00080022 00080023 00080032 00080033 00080201 00200013 00200012 00280002 00280004 00280008
00280010 00280011 00280100 00280101 00400554 0040A043 0040A491 0040A493 00420010 00700080 00700081
"""

INSTANCE_SHOWN = frozenset(_INSTANCE_TAGS.split())
"""Attributes of an instance that its row carries; others are read from its metadata."""

TAGS: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset(_STUDY_TAGS.split()),
    Level.SERIES: frozenset(_SERIES_TAGS.split()) - {"00081111"},
}

COMPUTED: dict[Level, frozenset[str]] = {
    Level.STUDY: frozenset({AVAILABILITY, "00080061", "00080062", "00081190", "00201206", "00201208"}),
    Level.SERIES: frozenset({AVAILABILITY, "00081190", "00201209"}),
    Level.INSTANCE: frozenset({AVAILABILITY, "00081190", "00083002"}),
}


def level_of(tag: int) -> Level:
    """The highest level at which ``tag`` is known."""
    name = f"{tag:08X}"
    for level in (Level.STUDY, Level.SERIES):
        if name in TAGS[level] or name in COMPUTED[level] - {AVAILABILITY, "00081190"}:
            return level
    return Level.INSTANCE
