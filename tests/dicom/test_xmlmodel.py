"""The Native DICOM Model in XML (X-01 to X-07)."""

from __future__ import annotations

import base64
import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import pydicom
import pytest

from dicomweb_server.dicom.xmlmodel import NAMESPACE, from_xml, to_xml
from dicomweb_server.model.errors import BadRequest, TooLarge
from tests.corpus import path

DATA_SET: dict[str, Any] = {
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "M"]},
    "00080050": {"vr": "SH"},
    "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}, {}]},
    "00090010": {"vr": "LO", "Value": ["ACME & SONS"]},
    "00091001": {"vr": "UN", "InlineBinary": "YWJj"},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou^^Dr", "Ideographic": "山田^太郎"}]},
    "00104000": {"vr": "LT", "Value": ["  a < b & c\r\n"]},
    "00280009": {"vr": "AT", "Value": ["00181063"]},
    "00280030": {"vr": "DS", "Value": [0.5, 0.25]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "http://h/dicomweb/studies/1/bulkdata/7FE00010?a&b"},
}


def named(document: bytes, tag: str) -> ET.Element:
    found = ET.fromstring(document).find(f"{{{NAMESPACE}}}DicomAttribute[@tag='{tag}']")
    assert found is not None
    return found


def test_what_is_written_is_read_back() -> None:
    assert from_xml(to_xml(DATA_SET)) == DATA_SET


def test_private_attributes_name_their_creator_and_no_block() -> None:
    assert named(to_xml(DATA_SET), "00090001").get("privateCreator") == "ACME & SONS"


def test_public_attributes_carry_their_keyword() -> None:
    assert named(to_xml(DATA_SET), "00280030").get("keyword") == "PixelSpacing"


def test_a_name_comes_in_components() -> None:
    name = named(to_xml(DATA_SET), "00100010")[0]
    assert [(part.tag.rpartition("}")[2], part.text) for part in name[0]] == [
        ("FamilyName", "Yamada"),
        ("GivenName", "Tarou"),
        ("NamePrefix", "Dr"),
    ]


def test_an_empty_value_among_several_keeps_its_place() -> None:
    values = named(to_xml(DATA_SET), "00080008")
    assert [(value.get("number"), value.text) for value in values] == [("1", "ORIGINAL"), ("2", None), ("3", "M")]


def test_a_private_creator_that_is_no_text_is_none() -> None:
    """A number in its place was an answer of 500."""
    data_set = {"00190010": {"vr": "FD", "Value": [1.5]}, "00191001": {"vr": "LO", "Value": ["x"]}}
    assert named(to_xml(data_set), "00191001").get("privateCreator") is None


def test_characters_no_xml_can_hold_are_left_out() -> None:
    document = to_xml({"00104000": {"vr": "LT", "Value": ["a\x1b\x00\x0cb"]}})
    assert named(document, "00104000")[0].text == "ab"


def test_dcmtk_says_the_same() -> None:
    """dcm2xml is an independent writer of this model."""
    name = "generated/structure/all_vrs.dcm"
    done = subprocess.run(["dcm2xml", "--native-format", "--encode-base64", str(path(name))], capture_output=True)
    theirs = from_xml(done.stdout)
    data_set = pydicom.dcmread(path(name))
    assert theirs["00100020"]["Value"] == [data_set.PatientID]
    # NaN equals nothing, not even itself, so texts are compared
    assert repr(from_xml(to_xml(theirs))) == repr(theirs)


def test_inline_binary_may_be_broken_into_lines() -> None:
    encoded = base64.encodebytes(bytes(range(200))).decode()
    document = to_xml({"00091001": {"vr": "UN", "InlineBinary": encoded}})
    assert base64.b64decode(from_xml(document)["00091001"]["InlineBinary"]) == bytes(range(200))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<NativeDicomModel", "well-formed"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel/>', "document type"),
        (b"<other><DicomAttribute tag='00100020' vr='LO'/></other>", "NativeDicomModel"),
        (b"<NativeDicomModel><DicomAttribute tag='x' vr='LO'/></NativeDicomModel>", "tag"),
        (b"<NativeDicomModel><Value number='1'>a</Value></NativeDicomModel>", "outside"),
        (
            b"<NativeDicomModel><DicomAttribute tag='00280010' vr='US'><Value number='x'>1</Value></DicomAttribute>"
            b"</NativeDicomModel>",
            "value number",
        ),
        (
            b"<NativeDicomModel><DicomAttribute tag='00280010' vr='US'><Value number='1'>a</Value></DicomAttribute>"
            b"</NativeDicomModel>",
            "not a number",
        ),
    ],
)
def test_bad_documents_are_refused_with_the_reason(body: bytes, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        from_xml(body)


def test_nesting_is_bounded() -> None:
    deep = "<DicomAttribute tag='00081140' vr='SQ'><Item number='1'>" * 1000
    with pytest.raises(TooLarge):
        from_xml(f"<NativeDicomModel>{deep}".encode())
