"""Elements to the DICOM JSON model (PS3.18 F.2)."""

from __future__ import annotations

import math
import re
import struct
from array import array
from binascii import b2a_base64
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from dicomweb_server.dicom import charset
from dicomweb_server.dicom.elements import DataSet, Element, Fragments, find
from dicomweb_server.dicom.tags import HEX, PIXEL_TAGS, SPECIFIC_CHARACTER_SET
from dicomweb_server.model.records import DicomJson

_SAFE_INTEGER = 2**53 - 1

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_BIG_ENDIAN_SINGLE = {vr: struct.Struct(f">{code}") for vr, code in _NUMBERS.items()}
_SINGLE = {vr: struct.Struct(f"<{code}") for vr, code in _NUMBERS.items()}
WORD = {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "AT": 2} | {
    vr: struct.calcsize(code) for vr, code in _NUMBERS.items()
}
"""Bytes of one word of a value, which big endian turns around (PS3.5 7.3)."""

_PLAIN = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI"})
_PADDING = " \0"

_Convert = Callable[[bytes, "Writer"], list[Any] | None]


def swapped(raw: bytes, word: int) -> bytes:
    """``raw`` with the bytes of every word turned around; what is left over at the end stays."""
    if word == 1:
        return raw
    whole = len(raw) - len(raw) % word
    cells = array({2: "H", 4: "I", 8: "Q"}[word], raw[:whole])
    cells.byteswap()
    return cells.tobytes() + raw[whole:]


class Writer:
    """One data set, or item, with what its values depend on."""

    __slots__ = ("codec", "little", "prefix")

    def __init__(self, prefix: str, codec: str, *, little: bool) -> None:
        self.prefix = prefix
        """URL of the bulk data of this data set."""
        self.codec = codec
        self.little = little

    def data_set(self, elements: DataSet) -> DicomJson:
        out: DicomJson = {}
        last = 0
        in_order = True
        for element in elements:
            tag, vr, _, length, value = element
            if tag <= last:
                in_order = False
            last = tag
            key = HEX.get(tag) or f"{tag:08X}"
            if value.__class__ is bytes:
                if not length:
                    out[key] = {"vr": vr}
                    continue
                if tag == SPECIFIC_CHARACTER_SET:
                    self.codec = charset.charset_of(value)
                    out[key] = {"vr": "CS", "Value": ["ISO_IR 192"]}
                    continue
                convert = _CONVERT.get(vr)
                if convert is None:
                    out[key] = {"vr": vr, "InlineBinary": self._inline(vr, value)}
                    continue
                values = convert(value, self)
                out[key] = {"vr": vr, "Value": values} if values else {"vr": vr}
            else:
                out[key] = self._other(element, key)
        if not in_order or (elements and elements[0].tag < 0x00040000):
            out = dict(sorted((item for item in out.items() if item[0] >= "0004"), key=_first))
        return out

    def _other(self, element: Element, key: str) -> dict[str, Any]:
        value = element.value
        if isinstance(value, list):
            if not value:
                return {"vr": "SQ"}
            # A UN of undefined length holds Implicit VR Little Endian whatever is around it (PS3.5 6.2.2).
            little = self.little or element.vr == "UN"
            items = (
                Writer(f"{self.prefix}/{key}/{number}", self.codec, little=little).data_set(item)
                for number, item in enumerate(value, 1)
            )
            return {"vr": "SQ", "Value": list(items)}
        if element.length == 0 and element.value is None:
            return {"vr": element.vr}
        vr = "OB" if isinstance(value, Fragments) else element.vr
        if element.tag in PIXEL_TAGS and vr not in ("OB", "OW", "OF", "OD"):
            vr = "OW"
        return {"vr": vr, "BulkDataURI": f"{self.prefix}/{key}"}

    def _inline(self, vr: str, value: bytes) -> str:
        if not self.little:
            value = swapped(value, WORD.get(vr, 1))
        return b2a_base64(value, newline=False).decode("ascii")


def _first(item: tuple[str, Any]) -> str:
    return item[0]


def _plain(raw: bytes, writer: Writer) -> list[Any] | None:
    text = raw.decode("latin-1").strip(_PADDING)
    if "\\" in text:
        return [part.strip(_PADDING) or None for part in text.split("\\")]
    return [text] if text else None


def _text(raw: bytes, writer: Writer) -> list[Any] | None:
    text = charset.decode(raw, writer.codec).strip(_PADDING)
    if "\\" in text:
        return [part.strip(_PADDING) or None for part in text.split("\\")]
    return [text] if text else None


def _unlimited(raw: bytes, writer: Writer) -> list[Any] | None:
    """UC: leading spaces count, the backslash separates."""
    text = charset.decode(raw, writer.codec).rstrip(_PADDING)
    return [part.rstrip(_PADDING) or None for part in text.split("\\")] if text else None


def _paragraph(raw: bytes, writer: Writer) -> list[Any] | None:
    """LT, ST, UT: one value, in which the backslash is a character."""
    text = charset.decode(raw, writer.codec).rstrip(_PADDING)
    return [text] if text else None


def _address(raw: bytes, writer: Writer) -> list[Any] | None:
    text = raw.decode("latin-1").rstrip(_PADDING)
    return [text] if text else None


def _names(raw: bytes, writer: Writer) -> list[Any] | None:
    text = charset.decode(raw, writer.codec, name=True).strip(_PADDING)
    return [_name(part) for part in text.split("\\")] if text else None


def _name(text: str) -> dict[str, str] | None:
    if "=" not in text:
        text = text.strip(_PADDING)
        return {"Alphabetic": text} if text else None
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {group: value.strip(_PADDING) for group, value in groups if value.strip(_PADDING)} or None


def _decimals(raw: bytes, writer: Writer) -> list[Any] | None:
    text = raw.decode("latin-1").strip(_PADDING)
    if not text:
        return None
    if len(text) <= 16 and "\\" not in text:
        return [_decimal(text)]
    return [_decimal(part) for part in text.split("\\")]


_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _decimal(text: str) -> float | str | None:
    """A number where it says all that the text says (J-07), else the text."""
    try:
        value = float(text)
    except ValueError:
        return text.strip(_PADDING) or None
    plain = text.strip(_PADDING)
    if len(plain) > 15 and sum(map(str.isdigit, plain)) > 15 and not _survives(plain, value):
        return plain
    if not math.isfinite(value) or "_" in plain:
        return plain
    return value


def _survives(text: str, value: float) -> bool:
    """Whether more than fifteen digits are all needed to write ``value`` again."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return False
    digits = found[1].replace(".", "").strip("0")
    return digits == f"{value!r}".lower().partition("e")[0].replace(".", "").replace("-", "").strip("0")


def _integers(raw: bytes, writer: Writer) -> list[Any] | None:
    text = raw.decode("latin-1").strip(_PADDING)
    return [_integer(part) for part in text.split("\\")] if text else None


def _integer(text: str) -> int | str | None:
    plain = text.strip(_PADDING)
    if not plain:
        return None
    try:
        value = int(plain) if len(plain) <= 20 and "_" not in plain else None
    except ValueError:
        number = _decimal(plain)
        value = int(number) if isinstance(number, float) and number.is_integer() else None
    return value if value is not None and abs(value) <= _SAFE_INTEGER else plain


def _binary_numbers(vr: str) -> _Convert:
    code, size = _NUMBERS[vr], WORD[vr]
    little, big = _SINGLE[vr].unpack, _BIG_ENDIAN_SINGLE[vr].unpack

    def convert(raw: bytes, writer: Writer) -> list[Any] | None:
        if len(raw) == size:
            return list(little(raw) if writer.little else big(raw))
        count = len(raw) // size
        return list(struct.unpack(f"{'<' if writer.little else '>'}{count}{code}", raw[: count * size]))

    return convert


def _long_integers(vr: str) -> _Convert:
    plain = _binary_numbers(vr)

    def convert(raw: bytes, writer: Writer) -> list[Any] | None:
        # J-08: JavaScript knows no larger ones.
        return [value if abs(value) <= _SAFE_INTEGER else str(value) for value in plain(raw, writer) or ()]

    return convert


def _doubles(raw: bytes, writer: Writer) -> list[Any] | None:
    # J-09: neither NaN nor the infinities have a JSON number.
    return [value if math.isfinite(value) else None for value in _read_doubles(raw, writer) or ()]


def _floats(raw: bytes, writer: Writer) -> list[Any] | None:
    return [_shortest(value) if math.isfinite(value) else None for value in _read_floats(raw, writer) or ()]


_read_doubles = _binary_numbers("FD")
_read_floats = _binary_numbers("FL")
_FLOAT = struct.Struct("<f")


def _shortest(value: float) -> float:
    """The number with fewest digits that is ``value`` as a 32-bit float."""
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if _FLOAT.unpack(_FLOAT.pack(short))[0] == value:
                return short
        except OverflowError:
            continue
    return value


def _tags(raw: bytes, writer: Writer) -> list[Any] | None:
    order = "<" if writer.little else ">"
    halves = struct.unpack(f"{order}{len(raw) // 4 * 2}H", raw[: len(raw) // 4 * 4])
    return [f"{group:04X}{number:04X}" for group, number in zip(halves[::2], halves[1::2], strict=True)]


_CONVERT: dict[str, _Convert] = {
    **dict.fromkeys(_PLAIN, _plain),
    "LO": _text,
    "SH": _text,
    "UC": _unlimited,
    **dict.fromkeys(("LT", "ST", "UT"), _paragraph),
    "UR": _address,
    "PN": _names,
    "DS": _decimals,
    "IS": _integers,
    **{vr: _binary_numbers(vr) for vr in ("US", "SS", "UL", "SL")},
    **{vr: _long_integers(vr) for vr in ("UV", "SV")},
    "FD": _doubles,
    "FL": _floats,
    "AT": _tags,
}


class Unwritten(MutableMapping[str, Any]):
    """A data set in the DICOM JSON model of which each element is written when it is first asked for.

    For whoever needs a dozen elements of a hundred.
    """

    __slots__ = ("_elements", "_writer")

    def __init__(self, elements: DataSet, *, little_endian: bool) -> None:
        self._elements: dict[str, Any] = {
            HEX.get(element.tag) or f"{element.tag:08X}": element for element in elements if element.tag >= 0x00040000
        }
        named = find(elements, SPECIFIC_CHARACTER_SET)
        text = named.value if named is not None else None
        codec = charset.charset_of(text) if isinstance(text, bytes) and text else charset.DEFAULT
        self._writer = Writer("", codec, little=little_endian)

    def __getitem__(self, key: str) -> Any:
        found = self._elements[key]
        if isinstance(found, Element):
            (found,) = self._writer.data_set([found]).values()
            self._elements[key] = found
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        self._elements[key] = value

    def __delitem__(self, key: str) -> None:
        del self._elements[key]

    def __contains__(self, key: object) -> bool:
        return key in self._elements

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._elements else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._elements)

    def __len__(self) -> int:
        return len(self._elements)


def data_set_json(elements: DataSet, prefix: str, *, little_endian: bool) -> DicomJson:
    """``elements`` in the DICOM JSON model, sorted, all text as Unicode.

    Bulk values become a BulkDataURI: ``prefix``, the tag, and for nested ones item number (from 1) and tag again.
    """
    return Writer(prefix, charset.DEFAULT, little=little_endian).data_set(elements)
