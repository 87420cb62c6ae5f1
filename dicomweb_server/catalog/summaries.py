"""What search returns of a study, series or instance, rendered once when it is stored.

A summary is one attribute a line, in ascending order of tags: ``"00080020":{"vr":"DA","Value":["20200102"]}``. JSON
holds no raw line feed, so a search picks lines by their first bytes and joins them without parsing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from dicomweb_server.catalog import folding
from dicomweb_server.catalog.attributes import (
    AVAILABILITY,
    COMPUTED,
    INDEXED,
    INSTANCE_SHOWN,
    REQUIRED,
    TAGS,
    Indexed,
    Sort,
)
from dicomweb_server.catalog.schema import NO_NUMBER
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.query import Level
from dicomweb_server.model.records import BASE, Derived, DicomJson

ONLINE = b'"00080056":{"vr":"CS","Value":["ONLINE"]}'
NEARLINE = b'"00080056":{"vr":"CS","Value":["NEARLINE"]}'
LARGEST = 32_768
"""Bytes an attribute may have in a summary; a larger one is only in the metadata."""

_BASE = BASE.decode()


def merged(known: DicomJson, found: DicomJson, level: Level, *, corrects: bool = False) -> bool:
    """Fill into ``known`` what it lacks of ``level``. Whether anything changed.

    The first value stored speaks, until an instance is replaced: that ``corrects`` what stood there (W-06).
    """
    changed = False
    for tag in TAGS[level].intersection(found):
        attribute = found[tag]
        speaks = corrects and "Value" in attribute and attribute != known.get(tag)
        if not speaks and tag in known and ("Value" in known[tag] or "Value" not in attribute):
            continue
        if len(orjson.dumps(attribute)) <= LARGEST:
            known[tag] = attribute
            changed = True
    return changed


def of_study(
    key: StudyKey, attributes: DicomJson, *, series: int, instances: int, values: Mapping[int, list[str]]
) -> bytes:
    computed = {
        AVAILABILITY: _values("CS", ["ONLINE"]),
        "00080061": _values("CS", values.get(0x00080061, [])),
        "00080062": _values("UI", values.get(0x00080062, [])),
        "00081190": _values("UR", [retrieve_url(key)]),
        "0020000D": _values("UI", [key.study]),
        "00201206": _values("IS", [series]),
        "00201208": _values("IS", [instances]),
    }
    whole = {**_required(Level.STUDY), **attributes, **computed}
    if not values.get(0x00080061):
        # OHIF 3.13 shows no study at all when this one stands there empty, so the letter of Q-23 gives way.
        del whole["00080061"]
    return _lines(whole)


def of_series(key: SeriesKey, attributes: DicomJson, *, instances: int) -> bytes:
    computed = {
        AVAILABILITY: _values("CS", ["ONLINE"]),
        "00081190": _values("UR", [retrieve_url(key)]),
        "0020000D": _values("UI", [key.study]),
        "0020000E": _values("UI", [key.series]),
        "00201209": _values("IS", [instances]),
    }
    return _lines({**_required(Level.SERIES), **attributes, **computed})


def of_instance(derived: Derived) -> bytes:
    key, found = derived.key, derived.metadata
    shown = {tag: found[tag] for tag in INSTANCE_SHOWN.intersection(found)}
    if "00080201" in found:
        shown["00080201"] = found["00080201"]
    shown["00080016"] = _values("UI", [derived.sop_class])
    shown["00080018"] = _values("UI", [key.instance])
    shown["0020000D"] = _values("UI", [key.study])
    shown["0020000E"] = _values("UI", [key.series])
    shown["00081190"] = _values("UR", [retrieve_url(key)])
    shown["00083002"] = _values("UI", [derived.transfer_syntax] if derived.transfer_syntax else [])
    shown.setdefault("00200013", {"vr": "IS"})
    shown[AVAILABILITY] = _values("CS", ["ONLINE"])
    lines = _lines(shown)
    if len(lines) <= LARGEST:
        return lines
    return b"\n".join([short for short in lines.split(b"\n") if len(short) <= LARGEST // 32])


def retrieve_url(key: Scope) -> str:
    url = f"{_BASE}/studies/{key.study}"
    if isinstance(key, SeriesKey | InstanceKey):
        url += f"/series/{key.series}"
    if isinstance(key, InstanceKey):
        url += f"/instances/{key.instance}"
    return url


def columns(level: Level, attributes: DicomJson) -> dict[str, Any]:
    """The indexed columns of ``level`` from its attributes, but for the UIDs."""
    return {
        indexed.column: column_value(attributes.get(f"{tag:08X}"), indexed)
        for tag, indexed in INDEXED.items()
        if indexed.level is level and indexed.sort not in (Sort.UID, Sort.SET) and f"{tag:08X}" not in COMPUTED[level]
    }


def column_value(attribute: DicomJson | None, indexed: Indexed) -> str | int:
    values = texts(attribute)
    if indexed.sort is Sort.NUMBER:
        return number(values)
    if not values:
        return ""
    if indexed.sort is Sort.NAME:
        return folding.column(folding.folded("\\".join(values)))
    if indexed.sort is Sort.DATE:
        return folding.date(values[0])
    if indexed.sort is Sort.TIME:
        return folding.time(values[0])
    return folding.column("\\".join(values).strip(" "))


def number(values: list[str]) -> int:
    """An IS value, or what sorts after all of them when there is none."""
    try:
        found = int(float(values[0])) if values else NO_NUMBER
    except (ValueError, OverflowError):
        return NO_NUMBER
    return found if abs(found) < NO_NUMBER else NO_NUMBER


def texts(attribute: Mapping[str, Any] | None) -> list[str]:
    """The values of an attribute as text, names with their groups joined by ``=``; empty ones left out."""
    if attribute is None:
        return []
    return [text for value in attribute.get("Value", ()) if (text := _text(value)) != ""]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        groups = (value.get(group) or "" for group in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(str(group) for group in groups).rstrip("=")
    return "" if value is None else str(value)


def picked(summary: bytes, wanted: frozenset[bytes]) -> list[bytes]:
    return [line for line in summary.split(b"\n") if line[1:9] in wanted]


def line(tag: str, attribute: DicomJson) -> bytes:
    return b'"%b":%b' % (tag.encode(), orjson.dumps(attribute))


def _lines(attributes: DicomJson) -> bytes:
    return b"\n".join([line(tag, attributes[tag]) for tag in sorted(attributes)])


def _required(level: Level) -> DicomJson:
    return {tag: {"vr": vr} for tag, vr in REQUIRED[level].items()}


def _values(vr: str, values: list[Any]) -> DicomJson:
    return {"vr": vr, "Value": values} if values else {"vr": vr}
