"""Metadata against pydicom's reading of the same files, element by element.

Where pydicom's own values differ from the rules of the DICOM JSON model (J-40), the comparison applies the rule to
what pydicom read.
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pydicom
import pytest

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import Rejected
from dicomweb_server.model.records import DicomJson
from tests import corpus
from tests.dicom.reading_files import metadata_of, read_by_pydicom

PYDICOM_LOSES = frozenset(
    {
        "generated/encap/us_jpeg_no_sequence_delimiter.dcm",
        "generated/odd/lowercase_vr.dcm",
        "generated/odd/deflate_bomb.dcm",
        "real/pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm",
    }
)
"""Files that pydicom cannot read to the end."""

PYDICOM_GUESSES = frozenset(
    {
        "real/pydicom/meta_missing_tsyntax.dcm",
        "real/pydicom/nested_priv_SQ.dcm",
        "real/pydicom/no_meta.dcm",
        "real/pydicom/rtplan_truncated.dcm",
    }
)
"""Files whose data set begins with a group that cannot be, or ends within a value: pydicom makes elements of both."""

FILES = [name for name in corpus.names("generated/", "real/") if name not in PYDICOM_LOSES | PYDICOM_GUESSES]


@pytest.mark.parametrize("name", FILES)
def test_every_attribute_says_what_pydicom_reads(name: str) -> None:
    data = corpus.file(name)
    assert list(differences(metadata_of(BytesSource(data)), read_by_pydicom(data))) == []


def differences(found: DicomJson, data_set: Any, path: str = "") -> Any:
    # Iterating a pydicom data set gives elements, not keys.
    expected = {f"{int(tag):08X}" for tag in data_set.keys() if tag.element and tag.group > 2}  # noqa: SIM118
    yield from (f"{path}{tag} only in one" for tag in expected ^ set(found))
    assert list(found) == sorted(found)
    for tag in sorted(expected & set(found)):
        element = data_set[int(tag, 16)]
        if element.VR == "SQ":
            items = found[tag].get("Value", [])
            assert len(items) == len(element.value)
            for number, (item, other) in enumerate(zip(items, element.value, strict=True), 1):
                yield from differences(item, other, f"{path}{tag}/{number}/")
        elif not same(tag, found[tag], element):
            yield f"{path}{tag}: {found[tag]} is not {element.value!r}"


def same(tag: str, found: dict[str, Any], element: Any) -> bool:
    vr = found["vr"]
    if tag == "00080005":
        return bool(found.get("Value", ["ISO_IR 192"]) == ["ISO_IR 192"])
    if vr != element.VR and (tag, vr) != ("7FE00010", "OB"):
        return False
    if "BulkDataURI" in found:
        return bool(found["BulkDataURI"] == f"bulk/{tag}" or "/" in found["BulkDataURI"])
    if "InlineBinary" in found:
        return bool(base64.b64decode(found["InlineBinary"]) == element.value)
    values = found.get("Value", [])
    others = values_of(element)
    return len(values) == len(others) and all(map(equal(vr), values, others))


def values_of(element: Any) -> list[Any]:
    value = element.value
    if value is None or (isinstance(value, (str, bytes)) and not value.strip()) or not str(value).strip():
        return []
    if isinstance(value, (str, bytes, int, float)) or not hasattr(value, "__iter__"):
        return [value]
    return [value] if isinstance(value, pydicom.valuerep.PersonName) else list(value)


def equal(vr: str) -> Any:
    return {"PN": same_name, "DS": same_number, "IS": same_number, "FL": same_float, "FD": same_double}.get(
        vr, same_integer if vr in ("UV", "SV") else same_tag if vr == "AT" else same_text
    )


def same_name(found: dict[str, str] | None, other: Any) -> bool:
    name = pydicom.valuerep.PersonName(other) if isinstance(other, str) else other
    groups = {"Alphabetic": name.alphabetic, "Ideographic": name.ideographic, "Phonetic": name.phonetic}
    return (found or {}) == {group: text(value) for group, value in groups.items() if text(value)}


def same_number(found: float | str | None, other: Any) -> bool:
    if found is None:
        return other in ("", None)
    if isinstance(found, str):
        return found == str(getattr(other, "original_string", other)).strip()
    return found == float(other)


def same_float(found: float | None, other: float) -> bool:
    if found is None:
        return not math.isfinite(other)
    return struct.pack("<f", found) == struct.pack("<f", other)


def same_double(found: float | None, other: float) -> bool:
    return not math.isfinite(other) if found is None else found == other


def same_integer(found: int | str, other: int) -> bool:
    return int(found) == other


def same_tag(found: str, other: int) -> bool:
    return found == f"{int(other):08X}"


def same_text(found: Any, other: Any) -> bool:
    return found == other if isinstance(found, int) else text(found or "") == text(str(other))


def text(value: str) -> str:
    """pydicom leaves escape sequences it does not know, and those of GB 2312, in the text."""
    return value.replace("\x1b$)A", "").replace("\x1b", "\ufffd").strip(" \0")


STORED = corpus.names("generated/charset", "generated/structure", "generated/ts")


@pytest.mark.parametrize("name", STORED)
def test_nothing_of_group_2_no_group_length_and_no_other_charset_leaves(name: str) -> None:
    derived = derive(BytesSource(corpus.file(name)))
    assert not any(tag.startswith("0002") or tag.endswith("0000") for tag in derived.metadata)
    assert derived.metadata.get("00080005", {}).get("Value") in (None, ["ISO_IR 192"])
    assert derived.metadata["00083002"] == {"vr": "UI", "Value": [derived.transfer_syntax]}
    assert b"NaN" not in derived.metadata_json
    derived.metadata_json.decode()


def test_pixel_data_is_never_inline() -> None:
    derived = derive(BytesSource(corpus.file("generated/ts/ct_evle.dcm")))
    uri = derived.metadata["7FE00010"]["BulkDataURI"]
    assert uri.startswith(f"{{{{base}}}}/studies/{derived.key.study}/series/{derived.key.series}/instances/")
    assert uri.endswith("/bulkdata/7FE00010")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing_study_uid", 0xC000),
        ("missing_series_uid", 0xC000),
        ("missing_sop_uid", 0xC000),
        ("missing_sop_class", 0xC000),
        ("empty_study_uid", 0xC000),
        ("uid_too_long", 0xC000),
        ("uid_letters", 0xC000),
        ("uid_slash", 0xC000),
        ("meta_uids_disagree", 0xA900),
        ("deflate_bomb", 0xC000),
    ],
)
def test_what_cannot_be_named_is_rejected(name: str, reason: int) -> None:
    with pytest.raises(Rejected) as caught:
        derive(BytesSource(corpus.file(f"generated/odd/{name}.dcm")))
    assert caught.value.reason == reason


@pytest.mark.parametrize("name", ["uid_leading_zero", "uid_trailing_space", "uid_double_dot", "missing_patient_id"])
def test_harmless_flaws_are_stored(name: str) -> None:
    assert derive(BytesSource(corpus.file(f"generated/odd/{name}.dcm"))).frame_count == 1
