"""The Native DICOM Model in XML (PS3.19 A.1), from and to the DICOM JSON model, which says the same in other words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import dictionary_VR, keyword_for_tag

from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.model.records import DicomJson

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
TAIL = "</NativeDicomModel>"

GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

NUMBERS = frozenset({"FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "IS", "DS"})
INTEGERS = NUMBERS - {"FL", "FD", "DS"}

DEPTH = 64
MOST_VALUES = 2_000_000
"""Of one document, with those that are left out."""

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters no XML 1.0 document can hold, not even escaped (X-06)."""


def to_xml(data_set: DicomJson) -> bytes:
    """One data set as an XML document."""
    return "".join((HEAD, *_attributes(data_set), TAIL)).encode()


def _attributes(data_set: DicomJson) -> Iterator[str]:
    for tag, element in data_set.items():
        yield f"<DicomAttribute {_names(tag, data_set)} vr={quoteattr(element['vr'])}>"
        yield from _content(element)
        yield "</DicomAttribute>"


def _names(tag: str, data_set: DicomJson) -> str:
    group, number = tag[:4], int(tag[4:], 16)
    if not int(group, 16) % 2:
        keyword = keyword_for_tag(int(tag, 16))
        return f'tag="{tag}" keyword="{keyword}"' if keyword else f'tag="{tag}"'
    creator = data_set.get(f"{group}00{number >> 8:02X}", {}).get("Value", [None])[0]
    if number < 0x1000 or not isinstance(creator, str):
        return f'tag="{tag}"'
    return f'tag="{group}00{number & 0xFF:02X}" privateCreator={quoteattr(_legal(creator))}'


def _content(element: dict[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    else:
        for number, value in enumerate(element.get("Value", ()), 1):
            yield from _value(element["vr"], number, value)


def _value(vr: str, number: int, value: Any) -> Iterator[str]:
    if vr == "SQ":
        yield f'<Item number="{number}">'
        yield from _attributes(value or {})
        yield "</Item>"
    elif vr == "PN":
        yield f'<PersonName number="{number}">'
        yield from _name(value or {})
        yield "</PersonName>"
    elif value is None:
        yield f'<Value number="{number}"/>'
    else:
        yield f'<Value number="{number}">{_text(str(value))}</Value>'


def _name(groups: dict[str, str]) -> Iterator[str]:
    for group in GROUPS:
        if text := groups.get(group):
            yield f"<{group}>"
            for component, part in zip(COMPONENTS, text.split("^", 4), strict=False):
                if part:
                    yield f"<{component}>{_text(part)}</{component}>"
            yield f"</{group}>"


def _text(text: str) -> str:
    """A carriage return is written as a reference, since readers fold line ends (J-10, XML 1.0 2.11)."""
    return escape(_legal(text)).replace("\r", "&#13;")


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)


def from_xml(body: bytes, *, longest: int = 64 << 20) -> DicomJson:
    """Read one Native DICOM Model. No DTD, no entities, bounded depth and size (X-07).

    Raises BadRequest with the reason, TooLarge past ``longest`` bytes.
    """
    if len(body) > longest:
        raise TooLarge(f"an XML data set may have {longest} bytes")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BadRequest(f"not well-formed XML: {error}") from None
    except (LookupError, ValueError):
        raise BadRequest("the encoding of the XML is not known") from None
    return reader.root


def _no_doctype(*_: object) -> None:
    raise BadRequest("a document type declaration is not taken")


@dataclass(slots=True)
class _Attribute:
    tag: str
    vr: str
    values: dict[int, Any] = field(default_factory=dict)
    bulk: str | None = None
    inline: str | None = None
    item: int = 1
    """The number of the item that is open, or was last."""

    def element(self) -> dict[str, Any]:
        if self.bulk is not None:
            return {"vr": self.vr, "BulkDataURI": self.bulk}
        if self.inline is not None:
            return {"vr": self.vr, "InlineBinary": "".join(self.inline.split())}
        if not self.values:
            return {"vr": self.vr}
        empty: Any = {} if self.vr == "SQ" else None
        return {"vr": self.vr, "Value": [self.values.get(n, empty) for n in range(1, max(self.values) + 1)]}


class _Reader:
    """Follows the events of the parser. ``_sets`` holds the data sets that are open, outermost first."""

    def __init__(self) -> None:
        self.root: DicomJson = {}
        self._sets: list[DicomJson] = []
        self._open: list[_Attribute] = []
        self._number = 1
        self._places = 0
        self._words: list[str] = []
        self._person: dict[str, str] = {}
        self._parts: dict[str, str] = {}

    def start(self, name: str, given: dict[str, str]) -> None:
        self._words.clear()
        match name.rpartition(" ")[2]:
            case "NativeDicomModel":
                self._sets.append(self.root)
            case "DicomAttribute":
                self._open.append(self._attribute(given))
            case "Value" | "PersonName" as kind:
                self._number = _number(given)
                if kind == "PersonName":
                    self._person = {}
            case "Item":
                self._start_item(_number(given))
            case "Alphabetic" | "Ideographic" | "Phonetic":
                self._parts = {}
            case "BulkData":
                self._current().bulk = given.get("uri") or f"uuid:{given.get('uuid', '')}"

    def end(self, name: str) -> None:
        text = "".join(self._words)
        match name.rpartition(" ")[2]:
            case "DicomAttribute":
                attribute = self._open.pop()
                self._count(attribute)
                self._sets[-1][attribute.tag] = attribute.element()
            case "Value":
                attribute = self._current()
                attribute.values[self._number] = _typed(attribute.vr, text)
            case "PersonName":
                self._current().values[self._number] = self._person or None
            case "Item":
                self._sets[-1] = dict(sorted(self._sets[-1].items()))
                item = self._sets.pop()
                attribute = self._current()
                attribute.values[attribute.item] = item
            case "Alphabetic" | "Ideographic" | "Phonetic" as group:
                whole = "^".join(self._parts.get(part, "") for part in COMPONENTS).rstrip("^")
                if whole:
                    self._person[group] = whole
            case "FamilyName" | "GivenName" | "MiddleName" | "NamePrefix" | "NameSuffix" as component:
                self._parts[component] = text
            case "InlineBinary":
                self._current().inline = text
            case "NativeDicomModel":
                ordered = sorted(self.root.items())
                self.root.clear()
                self.root.update(ordered)

    def text(self, words: str) -> None:
        self._words.append(words)

    def _current(self) -> _Attribute:
        if not self._open:
            raise BadRequest("a value stands outside of any DicomAttribute")
        return self._open[-1]

    def _start_item(self, number: int) -> None:
        if len(self._sets) >= DEPTH:
            raise TooLarge(f"sequences may be nested {DEPTH} deep")
        attribute = self._current()
        attribute.values[number], attribute.item = {}, number
        self._sets.append({})

    def _count(self, attribute: _Attribute) -> None:
        """Numbers may leave values out, each of which takes a place in a list."""
        self._places += max(attribute.values, default=0)
        if self._places > MOST_VALUES:
            raise TooLarge(f"an XML data set may have {MOST_VALUES} values")

    def _attribute(self, given: dict[str, str]) -> _Attribute:
        if not self._sets:
            raise BadRequest("the document is no NativeDicomModel")
        tag = given.get("tag", "").upper()
        if not re.fullmatch("[0-9A-F]{8}", tag):
            raise BadRequest(f"not a tag: {tag[:20]!r}")
        if creator := given.get("privateCreator"):
            tag = self._in_block(tag, creator)
        return _Attribute(tag, given.get("vr") or _known_vr(tag))

    def _in_block(self, tag: str, creator: str) -> str:
        """The tag within the block of ``creator``, which is reserved here when it is new (X-02)."""
        data_set, group = self._sets[-1], tag[:4]
        for block in range(0x10, 0x100):
            reserved = data_set.setdefault(f"{group}00{block:02X}", {"vr": "LO", "Value": [creator]})
            if reserved.get("Value") == [creator]:
                return f"{group}{block:02X}{tag[6:]}"
        raise BadRequest(f"group {group} has no block left for another private creator")


def _number(given: dict[str, str]) -> int:
    number = given.get("number", "1")
    if not re.fullmatch("[0-9]{1,7}", number) or not 1 <= int(number) <= 1_000_000:
        raise BadRequest(f"not a value number: {number[:20]!r}")
    return int(number)


def _known_vr(tag: str) -> str:
    try:
        return str(dictionary_VR(int(tag, 16)))[:2]
    except KeyError:
        return "UN"


def _typed(vr: str, text: str) -> Any:
    if text == "":
        return None
    if vr not in NUMBERS:
        return text
    try:
        return int(text) if vr in INTEGERS else float(text)
    except ValueError:
        if vr in ("IS", "DS"):
            return text
        raise BadRequest(f"not a number: {text[:40]!r}") from None
