"""Text of every character set as dcmtk's dcm2json and dcm2xml turn it into UTF-8, where those are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.xmlmodel import from_xml, to_xml
from tests import corpus
from tests.dicom.reading_files import metadata_of
from tests.dicom.test_dcm2json import plain

NAMED_ALONE = {
    "generated/charset/nested_item_own_charset.dcm": "dcmtk reads an item by the character set around it",
    "generated/charset/odd_nul_and_controls.dcm": "dcmtk ends a text at a NUL, and writes XML no parser takes",
    "generated/charset/odd_says_utf8_is_latin1.dcm": "dcmtk writes JSON that is no UTF-8",
}
"""Where dcmtk departs from PS3.5 6.1 or from the format it writes; test_metadata holds these against pydicom."""

FILES = [name for name in corpus.names("generated/charset") if name not in NAMED_ALONE]
PHONETIC_TWICE = "generated/charset/gb2312_iso2022.dcm"
"""dcm2xml repeats the ideographic group of a name without a phonetic one."""


def told_by(tool: str, name: str, *flags: str) -> bytes | None:
    """None where the tool is missing, or cannot read the character set: it refuses the file then."""
    found = shutil.which(tool)
    if found is None:
        return None
    done = subprocess.run([found, "-q", *flags, str(corpus.path(name))], capture_output=True)
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("name", FILES)
def test_json_is_that_of_dcm2json(name: str) -> None:
    """J-05, J-06, J-13"""
    theirs = told_by("dcm2json", name)
    if theirs is not None:
        assert plain(metadata_of(BytesSource(corpus.file(name)))) == plain(json.loads(theirs))


@pytest.mark.parametrize("name", [*FILES, "generated/mod/sr_enhanced.dcm", "generated/structure/private_blocks.dcm"])
def test_xml_is_that_of_dcm2xml(name: str) -> None:
    """X-01 to X-04"""
    theirs = told_by("dcm2xml", name, "--native-format", "--encode-base64", "+U8")
    if theirs is not None:
        ours, expected = from_xml(to_xml(metadata_of(BytesSource(corpus.file(name))))), from_xml(theirs)
        if name == PHONETIC_TWICE:
            without_phonetic(expected)
        assert plain(ours) == plain(expected)


def without_phonetic(data_set: dict[str, Any]) -> None:
    for value in data_set["00100010"]["Value"]:
        del value["Phonetic"]


def test_dcmtk_can_read_most_of_them() -> None:
    """So that the comparisons above compare something."""
    if shutil.which("dcm2json") and shutil.which("dcm2xml"):
        assert sum(told_by("dcm2json", name) is not None for name in FILES) >= len(FILES) // 2
        assert sum(told_by("dcm2xml", name, "+U8") is not None for name in FILES) >= len(FILES) // 2
