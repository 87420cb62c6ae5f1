"""DICOM JSON as clients send it, brought to the form the standard asks for (J-05, J-22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.model.records import DicomJson

TEXTS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
NUMBERS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
BINARIES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
VRS = TEXTS | NUMBERS | BINARIES | {"AT", "PN", "SQ"}
DEPTH = 64
HEX = frozenset("0123456789ABCDEFabcdef")


def normalised(data_set: Any, *, depth: int = 0) -> DicomJson:
    """One data set with upper-case tags in order, a VR everywhere and values of the right kind.

    Taken as well: keywords as names, a missing VR, lower-case tags, ``"Value": []``, an empty ``InlineBinary``, numbers
    where text belongs, person names as plain text. Raises BadRequest naming the attribute.
    """
    if not isinstance(data_set, Mapping):
        raise BadRequest("a data set must be a JSON object")
    if depth > DEPTH:
        raise TooLarge(f"sequences may be nested {DEPTH} deep")
    found: DicomJson = {}
    for name, element in data_set.items():
        tag = _tag(str(name))
        if tag[4:] == "0000" and tag[:4] != "0000":
            continue  # group lengths say nothing in this model (J-01)
        found[tag] = _element(tag, element, depth)
    return dict(sorted(found.items()))


def _tag(name: str) -> str:
    if len(name) == 8 and HEX.issuperset(name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise BadRequest(f"not an attribute: {name[:40]!r}")
    return f"{tag:08X}"


def _element(tag: str, element: Any, depth: int) -> dict[str, Any]:
    if not isinstance(element, Mapping):
        raise BadRequest(f"attribute {tag} must be a JSON object")
    vr = _vr(tag, element)
    given = [member for member in ("Value", "BulkDataURI", "InlineBinary") if element.get(member) not in (None, [], "")]
    if len(given) > 1:
        raise BadRequest(f"attribute {tag} has more than one of Value, BulkDataURI and InlineBinary")
    if not given:
        return {"vr": vr}
    member = given[0]
    if member != "Value":
        return _reference(tag, vr, member, element[member])
    values = element["Value"]
    if not isinstance(values, list):
        raise BadRequest(f"the Value of attribute {tag} must be an array")
    if vr == "SQ":
        return {"vr": vr, "Value": [normalised(item or {}, depth=depth + 1) for item in values]}
    if vr in BINARIES:
        raise BadRequest(f"attribute {tag} of VR {vr} must have InlineBinary or BulkDataURI")
    return {"vr": vr, "Value": [_value(tag, vr, value) for value in values]}


def _vr(tag: str, element: Mapping[str, Any]) -> str:
    vr = element.get("vr")
    if vr is None:
        try:
            return str(dictionary_VR(int(tag, 16)))[:2]
        except KeyError:
            return "LO" if tag[4:6] == "00" and int(tag[:4], 16) % 2 else "UN"
    if vr not in VRS:
        raise BadRequest(f"attribute {tag} has no VR of the standard: {str(vr)[:10]!r}")
    return str(vr)


def _reference(tag: str, vr: str, member: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, str):
        raise BadRequest(f"the {member} of attribute {tag} must be a string")
    if member == "InlineBinary" and vr not in BINARIES:
        raise BadRequest(f"attribute {tag} of VR {vr} cannot have InlineBinary")
    return {"vr": vr, member: value}


def _value(tag: str, vr: str, value: Any) -> Any:
    if value is None:
        return None
    if vr == "PN":
        return {"Alphabetic": value} if isinstance(value, str) else _person(tag, value)
    if isinstance(value, bool | list | Mapping):
        raise BadRequest(f"attribute {tag} of VR {vr} has a value of the wrong kind")
    return str(value) if vr in TEXTS else value


def _person(tag: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise BadRequest(f"attribute {tag} must have person names")
    groups = ("Alphabetic", "Ideographic", "Phonetic")
    return {group: str(value[group]) for group in groups if value.get(group)}
