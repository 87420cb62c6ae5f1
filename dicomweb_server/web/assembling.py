"""A Part 10 file of one data set and the bulk parts it refers to. Runs in the pool: what was sent may need decoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dicomweb_server.dicom.build import Bulk, build, syntax_of
from dicomweb_server.dicom.jsoninput import normalised
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.ids import uid
from dicomweb_server.model.records import DicomJson

SOP_CLASS, SOP_INSTANCE = "00080016", "00080018"


def assemble(data_set: DicomJson, bulk: Bulk, out: Path) -> None:
    """Write ``out``. Raises BadRequest when the metadata is none, or the parts do not fit it."""
    metadata = normalised(data_set)
    syntax = syntax_of(metadata, bulk)
    sop_class, sop_instance = uid_of(metadata, SOP_CLASS), uid_of(metadata, SOP_INSTANCE)
    if sop_class is None or sop_instance is None:
        raise BadRequest("the metadata names no SOP class or no SOP instance")
    head = file_meta(uid(sop_class), uid(sop_instance), uid(syntax, "transfer syntax"))
    with out.open("wb") as file:
        build(metadata, bulk, head, file, syntax=syntax)


def uid_of(data_set: DicomJson, tag: str) -> str | None:
    """The UID under ``tag``, in whatever state the data set is."""
    element = data_set.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else None


def nested_deeper(value: Any, levels: int) -> bool:
    """Whether ``value`` has arrays and objects in each other beyond ``levels``."""
    layer = [value]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _inside(outer)]
    return bool(layer)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def references(data_set: Any) -> Iterator[str]:
    """Every bulk data reference in a data set, at any depth."""
    waiting = [data_set]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found = one.get("BulkDataURI")
            if isinstance(found, str):
                yield found
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
