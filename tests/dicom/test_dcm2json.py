"""A few files against dcmtk's dcm2json, where that is installed: a JSON model of another hand."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from dicomweb_server.dicom.source import BytesSource
from tests import corpus
from tests.dicom.reading_files import metadata_of

FILES = [
    "generated/ts/ct_evle.dcm",
    "generated/ts/ct_ivle.dcm",
    "generated/ts/ct_evbe.dcm",
    "generated/mod/nm_dynamic_8frames.dcm",
    "generated/mod/sr_enhanced.dcm",
    "generated/mod/rtplan.dcm",
    "generated/structure/empty_sequences_and_items.dcm",
    "generated/structure/private_blocks.dcm",
]
NUMBERS = ("DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "SV", "UV")


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_dcmtk(name: str) -> None:
    dcm2json = shutil.which("dcm2json")
    if dcm2json is None:
        return
    done = subprocess.run([dcm2json, "-q", corpus.path(name)], capture_output=True, check=True)
    found, expected = metadata_of(BytesSource(corpus.file(name))), json.loads(done.stdout)
    assert plain(found) == plain(expected)


def plain(data_set: dict[str, Any]) -> dict[str, Any]:
    """Values alone: dcm2json inlines what is bulk here, keeps the declared character set, pads text."""
    return {
        tag: [value_of(element["vr"], value) for value in element.get("Value", [])]
        for tag, element in data_set.items()
        if tag != "00080005" and not tag.endswith("0000") and not {"InlineBinary", "BulkDataURI"} & set(element)
    }


def value_of(vr: str, value: Any) -> Any:
    if vr == "SQ":
        return plain(value or {})
    if vr in NUMBERS and value is not None:
        return round(float(value), 5)
    return value.strip() if isinstance(value, str) else value
