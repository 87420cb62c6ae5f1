"""The JSON of every file of the corpus has the shape PS3.18 Annex F allows, whatever the file holds (J-01 to J-30)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from dicomweb_server.dicom.jsonmodel import Unwritten, data_set_json
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import BytesSource
from tests import corpus
from tests.dicom.reading_files import metadata_of

TEXT = frozenset(["AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"])
NUMBER = frozenset(["FL", "FD", "SL", "SS", "UL", "US"])
EITHER = frozenset(["DS", "IS", "SV", "UV"])
INLINE = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
"""J-21"""
REFERRED = INLINE | NUMBER | EITHER | {"LT", "ST", "UC", "UT"}
"""J-20"""
GROUPS = {"Alphabetic", "Ideographic", "Phonetic"}
SAFE = 2**53 - 1


FILES = [name for name in corpus.names("generated/", "real/") if name != "generated/odd/deflate_bomb.dcm"]
"""All that may be stored: a bomb is refused."""


@pytest.mark.parametrize("name", FILES)
def test_every_file_becomes_json_to_the_letter(name: str) -> None:
    text = orjson.dumps(metadata_of(BytesSource(corpus.file(name)))).decode("utf-8")
    read = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert list(faults(read)) == []


def faults(data_set: dict[str, Any], path: str = "") -> Iterator[str]:
    if list(data_set) != sorted(data_set):
        yield f"{path}: not in order (J-01)"
    for tag, element in data_set.items():
        where = f"{path}{tag}"
        if not re.fullmatch("[0-9A-F]{8}", tag) or tag.endswith("0000") or tag.startswith("0002"):
            yield f"{where}: no tag that may be here (J-01)"
        held = set(element) - {"vr"}
        if not re.fullmatch("[A-Z]{2}", element.get("vr", "")) or len(held) > 1:
            yield f"{where}: {sorted(element)} (J-01)"
        elif not held <= allowed(element["vr"]):
            yield f"{where}: a {element['vr']} with {held} (J-20, J-21)"
        yield from wrong_content(element, where)


def allowed(vr: str) -> set[str]:
    if vr in INLINE:
        return {"InlineBinary", "BulkDataURI"}
    return {"Value", "BulkDataURI"} if vr in REFERRED else {"Value"}


def wrong_content(element: dict[str, Any], where: str) -> Iterator[str]:
    if "InlineBinary" in element:
        encoded = element["InlineBinary"]
        if not encoded or base64.b64encode(base64.b64decode(encoded, validate=True)).decode() != encoded:
            yield f"{where}: base64 (J-12)"
    if "Value" in element:
        if not isinstance(element["Value"], list) or not element["Value"]:
            yield f"{where}: no array with something in it (J-02, J-15)"
            return
        for value in element["Value"]:
            yield from wrong_value(element["vr"], value, where)


def wrong_value(vr: str, value: Any, where: str) -> Iterator[str]:
    if vr == "SQ":
        yield from faults(value, f"{where}/") if isinstance(value, dict) else [f"{where}: no item (J-04)"]
        return
    if value is None:
        return  # J-03
    if vr == "PN":
        if (
            not value
            or not set(value) <= GROUPS
            or not all(value.values())
            or any("=" in each for each in value.values())
        ):
            yield f"{where}: {value} (J-06)"
    elif vr == "AT":
        if not re.fullmatch("[0-9A-F]{8}", value):
            yield f"{where}: {value} (J-05)"
    elif vr in TEXT:
        if not isinstance(value, str) or not value or value.endswith(("\0",) if vr == "UI" else (" ",)):
            yield f"{where}: {value!r} (J-05, J-10)"
    elif isinstance(value, bool) or not isinstance(value, (int, float, str) if vr in EITHER else (int, float)):
        yield f"{where}: {value!r} of a {vr} (J-05)"
    elif isinstance(value, int) and vr in ("SV", "UV") and abs(value) > SAFE:
        yield f"{where}: {value} (J-08)"


def test_elements_written_one_at_a_time_are_those_of_the_whole() -> None:
    for name in FILES:
        file = opened(BytesSource(corpus.file(name)))
        walked = file.walk()
        whole = data_set_json(walked.elements, "", little_endian=walked.little_endian)
        assert dict(Unwritten(walked.elements, little_endian=walked.little_endian)) == whole, name
