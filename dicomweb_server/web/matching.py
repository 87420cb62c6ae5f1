"""The value of a matching key, by the rules of its VR (PS3.4 C.2.2.2, Q-06 to Q-18)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.ids import is_uid
from dicomweb_server.model.query import Key, Match
from dicomweb_server.web.attributes import Attribute, is_multivalued
from dicomweb_server.web.params import Parameter, decoded

MAX_LENGTH = 1024
MAX_STARS = 64
MAX_LIST = 5000
MAX_ALL = 64
"""Of values that must all be there: each is a condition of its own."""
MAX_WORDS = 32

DATE_TIME_VRS = frozenset({"DA", "TM", "DT"})
_WILDCARD_VRS = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"])
_EMPTY_VRS = frozenset(["AE", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"])
_ALL_VRS = frozenset(["AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"])
_KEEPS_LEADING_SPACES = frozenset({"ST", "LT", "UT"})

_ANY_OF = frozenset({0x00080060, 0x00080061})
"""Modality, ModalitiesInStudy: viewers list several and mean any of them (Q-15)."""

_DATE = r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_FORMS = {
    "DA": re.compile(_DATE, re.ASCII),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?", re.ASCII),
    "DT": re.compile(
        r"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])"
        r"(([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?)?)?)?([+-](0\d|1[0-4])[0-5]\d)?",
        re.ASCII,
    ),
    "IS": re.compile(r"[+-]?\d{1,12}", re.ASCII),
    "DS": re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII),
    "AS": re.compile(r"\d{3}[DWMY]", re.ASCII),
    "AT": re.compile(r"[0-9A-Fa-f]{8}", re.ASCII),
}
for _vr in ("US", "UL", "UV"):
    _FORMS[_vr] = re.compile(r"\d{1,20}", re.ASCII)
for _vr in ("SS", "SL", "SV"):
    _FORMS[_vr] = re.compile(r"[+-]?\d{1,20}", re.ASCII)
for _vr in ("FL", "FD"):
    _FORMS[_vr] = _FORMS["DS"]


@dataclass(frozen=True, slots=True)
class Modes:
    """What the query asks of matching as a whole."""

    fuzzy: bool = False
    empty_values: bool = False
    multiple_values: bool = False


def key(found: Attribute, parameter: Parameter, modes: Modes) -> Key:
    """The matching key that ``parameter`` means. Raises BadRequest when the value does not fit the VR (Q-18)."""
    raw, vr = parameter.raw, found.vr
    value = _significant(decoded(raw) if vr in DATE_TIME_VRS else parameter.text, vr)
    if value in ("", "*"):
        return Key(found.path, vr, Match.UNIVERSAL)
    if vr == "SQ":
        raise BadRequest(f"{parameter.name[:80]} is a sequence: name an attribute in it")
    if modes.empty_values and value == '""' and vr in _EMPTY_VRS:
        return Key(found.path, vr, Match.EMPTY)
    match, values = _RULES.get(vr, _of_text)(found, parameter, modes)
    return Key(found.path, vr, match, values)


Meant = tuple[Match, tuple[str, ...]]


def _of_uids(found: Attribute, parameter: Parameter, modes: Modes) -> Meant:
    uids = tuple(dict.fromkeys(member.strip() for member in listed(parameter.value) if member.strip()))
    if len(uids) > MAX_LIST:
        raise BadRequest(f"{parameter.name[:80]} lists more than {MAX_LIST} UIDs")
    if not uids or not all(is_uid(member) for member in uids):
        raise BadRequest(f"{parameter.name[:80]} takes UIDs")
    return (Match.SINGLE if len(uids) == 1 else Match.LIST), uids


def _of_date_or_time(found: Attribute, parameter: Parameter, modes: Modes) -> Meant:
    value = parameter.value.strip()
    if found.vr == "DT":
        value = re.sub(r" (?=\d{4}(-|$))", "+", value)  # a plus sign that a form turned into a space (C-05)
    form = _FORMS[found.vr]
    if form.fullmatch(value):
        return Match.SINGLE, (value,)
    # The hyphen of a range may stand beside those of negative offsets: try each.
    for place in (n for n, character in enumerate(value) if character == "-"):
        ends = value[:place].strip(), value[place + 1 :].strip()
        if any(ends) and all(end == "" or form.fullmatch(end) for end in ends):
            return Match.RANGE, ends
    raise BadRequest(f"{parameter.name[:80]} takes a {found.vr} value or a range of two")


def _of_number(found: Attribute, parameter: Parameter, modes: Modes) -> Meant:
    value = parameter.value.strip()
    if not _FORMS[found.vr].fullmatch(value):
        raise BadRequest(f"{parameter.name[:80]} takes one {found.vr} value")
    return Match.SINGLE, (value,)


def _of_text(found: Attribute, parameter: Parameter, modes: Modes) -> Meant:
    members = _members(found, parameter, modes)
    for member in members:
        _check_text(parameter.name, member)
    if len(members) > 1:
        return _several(parameter.name, members, modes)
    value = members[0]
    if found.vr in _WILDCARD_VRS and ("*" in value or "?" in value):
        return Match.WILDCARD, (value,)
    if found.vr == "PN" and modes.fuzzy:
        if len(re.findall(r"\w+", value)) > MAX_WORDS:
            raise BadRequest(f"{parameter.name[:80]} has more than {MAX_WORDS} words")
        return Match.FUZZY, (value,)
    return Match.SINGLE, (value,)


def _several(name: str, members: tuple[str, ...], modes: Modes) -> Meant:
    if not modes.multiple_values:
        return Match.LIST, members
    if len(members) > MAX_ALL:
        raise BadRequest(f"{name[:80]} has more than {MAX_ALL} values")
    return Match.ALL, members


def _members(found: Attribute, parameter: Parameter, modes: Modes) -> tuple[str, ...]:
    """Several values where several are allowed, else the whole text as one (Q-06, Q-14, Q-15)."""
    if found.tag in _ANY_OF:
        parts = listed(parameter.text)
    elif modes.multiple_values and found.vr in _ALL_VRS and is_multivalued(found.tag):
        parts = [
            member for piece in parameter.raw.replace("+", " ").split(",") for member in decoded(piece).split("\\")
        ]
    else:
        parts = [parameter.text]
    members = tuple(dict.fromkeys(text for part in parts if (text := _significant(part, found.vr))))
    if len(members) > MAX_LIST:
        raise BadRequest(f"{parameter.name[:80]} has more than {MAX_LIST} values")
    return members or ("",)


def _check_text(name: str, value: str) -> None:
    if len(value) > MAX_LENGTH:
        raise BadRequest(f"{name[:80]} is longer than {MAX_LENGTH} characters")
    if any(ord(character) < 32 and character not in "\t\r\n\f\x1b" for character in value):
        raise BadRequest(f"{name[:80]} contains control characters")
    if value.count("*") > MAX_STARS:
        raise BadRequest(f"{name[:80]} has more than {MAX_STARS} wildcards")


def _significant(value: str, vr: str) -> str:
    """``value`` without what is padding in its VR (Q-09); many stars mean no more than one."""
    value = re.sub(r"\*+", "*", value)
    if vr == "PN":
        groups = [group.strip(" ").rstrip("^ ") for group in value.split("=")]
        return "=".join(groups).rstrip("=")
    return value.rstrip(" ") if vr in _KEEPS_LEADING_SPACES else value.strip(" ")


def listed(value: str) -> list[str]:
    """Members of a list that clients join by comma or backslash, encoded or not (Q-31)."""
    return value.replace("\\", ",").split(",")


_RULES: dict[str, Callable[[Attribute, Parameter, Modes], Meant]] = {
    "UI": _of_uids,
    **dict.fromkeys(DATE_TIME_VRS, _of_date_or_time),
    **dict.fromkeys(["IS", "DS", "US", "UL", "UV", "SS", "SL", "SV", "FL", "FD", "AT", "AS"], _of_number),
}
