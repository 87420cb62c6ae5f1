"""A data set changed on arrival, with what it was before on record in it (S-13; PS3.3 C.12.1.1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from dicomweb_server.dicom.elements import DataSet, Element, find
from dicomweb_server.dicom.identity import identity
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.rewrite import MODIFIED_BY, MODIFYING_SYSTEM, ORIGINAL_ATTRIBUTES, Rewritten, Writer
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE

_MODIFIED, _WHEN, _SOURCE, _REASON = 0x04000550, 0x04000562, 0x04000564, 0x04000565


@dataclass(frozen=True, slots=True)
class Coercion:
    """New values by tag, each a text of its VR."""

    values: Mapping[int, tuple[str, str]]
    source: str = ""
    """Whose values they were before."""


def write_coerced(source: Source, coercion: Coercion, when: datetime, out: BinaryIO) -> None:
    """Write the Part 10 file ``source`` to ``out`` with other values; a native one in Explicit VR Little Endian.

    Raises Rejected.
    """
    file = opened(source)
    walked = file.walk()
    uids = identity(walked.elements, file.head)
    kept = file.syntax.encapsulated and not file.syntax.deflated
    writer = Writer(
        file, walked, file_meta(uids.sop_class, uids.sop_instance, file.syntax.uid if kept else EXPLICIT_LE)
    )
    new = {tag: _element(tag, vr, text) for tag, (vr, text) in coercion.values.items()}
    new[ORIGINAL_ATTRIBUTES] = _record(walked.elements, coercion, when)
    old = {each.tag: each for each in walked.elements if each.tag not in new}
    for tag in sorted({*old, *new}):
        writer.data_set([new.get(tag) or old[tag]], little=tag in new or walked.little_endian)
    for part in Rewritten(file.stream, writer.finished()):
        out.write(part)


def _record(elements: DataSet, coercion: Coercion, when: datetime) -> Element:
    """The sequence with one item more; a value that was not there before is of zero length."""
    before: DataSet = []
    for tag, (vr, _) in sorted(coercion.values.items()):
        found = find(elements, tag)
        before.append(found if found is not None else _element(tag, vr, ""))
    item = [
        Element(_MODIFIED, "SQ", 0, 0, [before]),
        _element(_WHEN, "DT", when.strftime("%Y%m%d%H%M%S.%f")),
        _element(MODIFYING_SYSTEM, "LO", MODIFIED_BY),
        _element(_SOURCE, "LO", coercion.source),
        _element(_REASON, "CS", "COERCE"),
    ]
    known = find(elements, ORIGINAL_ATTRIBUTES)
    items = known.value if known is not None and isinstance(known.value, list) else []
    return Element(ORIGINAL_ATTRIBUTES, "SQ", 0, 0, [*items, item])


def _element(tag: int, vr: str, text: str) -> Element:
    encoded = text.encode("ascii")
    encoded += b" " * (len(encoded) % 2)
    return Element(tag, vr, 0, len(encoded), encoded)
