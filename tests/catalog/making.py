"""Instances as the catalog meets them: valid, with one knob turned."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import orjson

from dicomweb_server.catalog.base import NewVersion
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.query import Key, Match
from dicomweb_server.model.records import Derived, DicomJson, Door, Origin

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PUSHED = Origin(Door.STOW)
FETCHED = Origin(Door.FETCH, source="pacs")

_serial = itertools.count(1)


def derived(
    study: str = "1.2.1",
    series: str = "1.2.1.1",
    instance: str = "1.2.1.1.1",
    /,
    sop_class: str = CT,
    **attributes: Any,
) -> Derived:
    """``attributes`` as ``x00100010={"vr": …}``; None leaves one out."""
    metadata: DicomJson = {
        "00080016": {"vr": "UI", "Value": [sop_class]},
        "00080018": {"vr": "UI", "Value": [instance]},
        "00080020": {"vr": "DA", "Value": ["20200102"]},
        "00080030": {"vr": "TM", "Value": ["101112"]},
        "00080050": {"vr": "SH", "Value": ["ACC1"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00081030": {"vr": "LO", "Value": ["CT Thorax"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna"}]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "0020000E": {"vr": "UI", "Value": [series]},
        "00200011": {"vr": "IS", "Value": [1]},
        "00200013": {"vr": "IS", "Value": [int(instance.rpartition(".")[2])]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280011": {"vr": "US", "Value": [512]},
    }
    metadata |= {name[1:]: attribute for name, attribute in attributes.items()}
    metadata = {tag: metadata[tag] for tag in sorted(metadata) if metadata[tag] is not None}
    body = orjson.dumps(metadata)
    key = InstanceKey(study, series, instance)
    return Derived(key, sop_class, EXPLICIT, metadata, body, b"index", 1, hashlib.sha256(body).digest(), 1000)


def new(made: Derived, *, origin: Origin = PUSHED, over: str | None = None) -> NewVersion:
    version = f"v{next(_serial)}"
    return NewVersion(made, origin, version, f"instances/{made.key.instance}-{version}.dcm", over)


def many(
    count: int, study: str = "1.2.1", series: str = "1.2.1.1", *, start: int = 1, **attributes: Any
) -> list[NewVersion]:
    return [new(derived(study, series, f"{series}.{n}", **attributes)) for n in range(start, start + count)]


def text(vr: str, *values: Any) -> DicomJson:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def name(alphabetic: str = "", **groups: str) -> DicomJson:
    return {"vr": "PN", "Value": [({"Alphabetic": alphabetic} if alphabetic else {}) | groups]}


def key(tag: int | tuple[int, ...], vr: str, match: Match, *values: str) -> Key:
    return Key(tag if isinstance(tag, tuple) else (tag,), vr, match, values)
