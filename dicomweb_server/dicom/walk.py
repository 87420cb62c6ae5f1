"""The hot reader: one bounded pass over a data set's headers, reading no large value.

It reads Explicit VR Little Endian with the fewest steps and every other native encoding beside it, and stays
calm where files break the rules: what it had to guess or leave out stands in the warnings. It never recurses
deeper than ``MAX_DEPTH``, never keeps more than ``MAX_KEPT`` bytes and never counts beyond ``MAX_ELEMENTS``.
"""

from __future__ import annotations

import struct
from functools import partial

from dicomweb_server.dicom.elements import UNDEFINED, DataSet, Element, Fragments, Walked
from dicomweb_server.dicom.guess import explicit_header, resolved, starts_item
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.tags import LONG_VRS, PIXEL_TAGS, SHORT_VRS, private_vr, public_vr
from dicomweb_server.model.errors import Rejected

MAX_DEPTH = 80
"""Of sequences in sequences. JSON takes three levels for each, and orjson stops at 254."""
MAX_ELEMENTS = 2_000_000
MAX_KEPT = 256 << 20

CANNOT_UNDERSTAND = 0xC000

KEEP_BINARY = 4096
"""Binary values above this become bulk data, so they are not read."""
KEEP_ARRAY = 1 << 16
"""Likewise text and arrays of numbers."""

_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
_NEVER_BULK = frozenset({"AE", "AS", "AT", "CS", "DA", "DT", "LO", "PN", "SH", "TM", "UI", "UR"})
"""VRs that DICOM JSON has no bulk form for (J-20): read whatever their length."""

_CHUNK = 1 << 16
_element = partial(tuple.__new__, Element)


class Window:
    """The part of a source that lies in memory."""

    __slots__ = ("_source", "base", "buffer", "end", "size")

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self.buffer = b""
        self.base = 0
        self.end = 0

    def load(self, position: int, length: int = _CHUNK) -> None:
        """Hold at least ``length`` bytes from ``position``, or what there is of them."""
        self.buffer = self._source.read(position, max(length, _CHUNK))
        self.base = position
        self.end = position + len(self.buffer)

    def bytes(self, position: int, length: int) -> bytes:
        """What lies there, fewer bytes where the source ends."""
        if position < self.base or position + length > self.end:
            if length > _CHUNK:
                return self._source.read(position, length)
            self.load(position)
        return self.buffer[position - self.base : position - self.base + length]


class Walker:
    """One pass over one stream."""

    def __init__(
        self, source: Source, *, explicit: bool, little_endian: bool, keep_binary: int, keep_array: int
    ) -> None:
        self.window = Window(source)
        self.warnings: list[str] = []
        self.cut_off = False
        self._explicit = explicit
        self._little = little_endian
        order = "<" if little_endian else ">"
        self._head = struct.Struct(f"{order}HH2sH").unpack_from
        self._implicit = struct.Struct(f"{order}HHI").unpack_from
        self._long = struct.Struct(f"{order}I").unpack_from
        self._keep_array = keep_array
        self._keep = dict.fromkeys((*SHORT_VRS.values(), *LONG_VRS.values()), keep_array)
        self._keep |= dict.fromkeys(_BINARY, keep_binary) | dict.fromkeys(_NEVER_BULK, MAX_KEPT)
        self._smallest = min(keep_binary, keep_array)
        self._spent = [0, 0]

    def data_set(self, position: int, stop: int, depth: int) -> tuple[DataSet, int]:
        """Read elements up to ``stop`` or the end of the item; also say where that is."""
        if self._explicit:
            return self._explicit_elements(position, stop, depth)
        return self._implicit_elements(position, stop, depth)

    def _explicit_elements(self, position: int, stop: int, depth: int) -> tuple[DataSet, int]:
        elements: DataSet = []
        creators: dict[int, str] = {}
        window, head, smallest = self.window, self._head, self._smallest
        begin, counted = position, 0
        while position + 8 <= stop:
            if position + 12 > window.end:
                counted = self._advance(position, elements, counted)
            at = position - window.base
            group, number, code, length = head(window.buffer, at)
            start = position + 8
            vr = SHORT_VRS.get(code)
            if vr is None:
                if (group == 0xFFFE or group < 4) and self._ends(group, number, depth, elements):
                    self._end(elements, counted, position - begin)
                    return elements, start if number == 0xE00D else position
                vr = LONG_VRS.get(code)
                if vr is not None and position + 12 <= stop:
                    length = self._long(window.buffer, at + 8)[0]
                    start += 4
                else:
                    found = explicit_header(window, position, stop, little_endian=self._little)
                    window.load(position)
                    if found is None:
                        self._leave(depth, position, stop)
                        break
                    vr, start, length = found
                    self.warn(f"({group:04X},{number:04X}) has no valid VR")
            tag = group << 16 | number
            if vr == "SQ" or length == UNDEFINED:
                value, end = self._compound(tag, vr, start, length, stop, depth)
                if value is None:
                    vr, length = "OW" if tag in PIXEL_TAGS else vr, end - start
                elements.append(_element((tag, vr, start, end - start, value)))
                position = end
                continue
            end = start + length
            if end > stop:
                position = self._beyond(tag, vr, start, stop, elements)
                break
            position = end
            if number == 0:
                continue
            if vr == "UN":
                vr = _known(tag, length, creators)
                if vr == "SQ":
                    items = self._hidden_sequence(start, length, depth)
                    elements.append(_element((tag, "SQ" if items is not None else "UN", start, length, items)))
                    continue
            if length > smallest or group == 0x7FE0:
                elements.append(_element((tag, vr, start, length, self._large(tag, vr, start, length))))
                continue
            if end > window.end:
                counted = self._advance(start, elements, counted)
            kept = window.buffer[start - window.base : end - window.base]
            if group & 1 and number < 0x100:
                creators[tag] = kept.decode("latin-1").strip(" \0")
            elements.append(_element((tag, vr, start, length, kept)))
        self._end(elements, counted, position - begin)
        return elements, position

    def _implicit_elements(self, position: int, stop: int, depth: int) -> tuple[DataSet, int]:
        elements: DataSet = []
        creators: dict[int, str] = {}
        window, head, smallest = self.window, self._implicit, self._smallest
        begin, counted = position, 0
        while position + 8 <= stop:
            if position + 8 > window.end:
                counted = self._advance(position, elements, counted)
            group, number, length = head(window.buffer, position - window.base)
            start = position + 8
            if (group == 0xFFFE or group < 4) and self._ends(group, number, depth, elements):
                self._end(elements, counted, position - begin)
                return elements, start if number == 0xE00D else position
            tag = group << 16 | number
            vr = private_vr(tag, creators.get(_block(tag), "")) if group & 1 else public_vr(tag)
            if vr == "SQ" or length == UNDEFINED:
                value, end = self._compound(tag, vr, start, length, stop, depth)
                elements.append(_element((tag, vr, start, end - start, value)))
                position = end
                continue
            end = start + length
            if end > stop:
                position = self._beyond(tag, vr, start, stop, elements)
                break
            position = end
            if number == 0:
                continue
            if length > smallest or group == 0x7FE0:
                elements.append(_element((tag, vr, start, length, self._large(tag, vr, start, length))))
                continue
            if end > window.end:
                counted = self._advance(start, elements, counted)
            kept = window.buffer[start - window.base : end - window.base]
            if group & 1 and number < 0x100:
                creators[tag] = kept.decode("latin-1").strip(" \0")
            elements.append(_element((tag, vr, start, length, kept)))
        self._end(elements, counted, position - begin)
        return elements, position

    def _ends(self, group: int, number: int, depth: int, elements: DataSet) -> bool:
        """Whether a tag that cannot be an element's ends the data set here."""
        if depth == 0 and (group == 0xFFFE or elements):
            self.warn("what follows the data set is no DICOM")
        return group == 0xFFFE or depth == 0

    def _leave(self, depth: int, position: int, stop: int) -> None:
        self.cut_off = self.cut_off or depth > 0
        self.warn(f"{stop - position} bytes at the end of {'an item' if depth else 'the data set'} are no elements")

    def _beyond(self, tag: int, vr: str, start: int, stop: int, elements: DataSet) -> int:
        """An element longer than what holds it: pixel data is kept as far as it goes, others are left out."""
        self.cut_off = True
        self.warn(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is cut off")
        if tag in PIXEL_TAGS:
            elements.append(Element(tag, vr, start, stop - start, None))
        return stop

    def _advance(self, position: int, elements: DataSet, counted: int) -> int:
        """Go on with the next part of the source; how many of the elements are counted by now."""
        if len(elements) > MAX_ELEMENTS:
            self._count_up(len(elements))
        self._count_small(elements[counted:])
        self.window.load(position)
        return len(elements)

    def _end(self, elements: DataSet, counted: int, length: int) -> None:
        self._count_up(len(elements) + 1)
        # Of a short one nothing was left out, so that its length will do
        if counted or length > self._smallest:
            self._count_small(elements[counted:])
        else:
            self._count_bytes(length)

    def _count_small(self, elements: DataSet) -> None:
        """The bytes kept of them, but those counted one by one."""
        values = (each.value for each in elements if each.length <= self._smallest)
        self._count_bytes(sum(len(value) for value in values if isinstance(value, bytes)))

    def _hidden_sequence(self, start: int, length: int, depth: int) -> list[DataSet] | None:
        """The items of a sequence sent as UN, always Implicit VR Little Endian; None when it is none."""
        if length and not starts_item(self.window.bytes(start, 4), little_endian=True):
            return None
        items, end = self._inner()._items(start, start + length, depth)
        return items if end == start + length else None

    def _inner(self) -> Walker:
        inner = Walker(
            _NO_SOURCE, explicit=False, little_endian=True, keep_binary=self._keep["OB"], keep_array=self._keep_array
        )
        inner.window, inner.warnings, inner._spent = self.window, self.warnings, self._spent
        return inner

    def _large(self, tag: int, vr: str, start: int, length: int) -> bytes | None:
        if tag in PIXEL_TAGS or length > self._keep.get(vr[:2], self._keep_array):
            return None
        self._count_bytes(length)
        return self.window.bytes(start, length)

    def _count_bytes(self, size: int) -> None:
        self._spent[1] += size
        if self._spent[1] > MAX_KEPT:
            raise Rejected("the attributes are larger than this server takes", reason=CANNOT_UNDERSTAND)

    def _compound(
        self, tag: int, vr: str, start: int, length: int, stop: int, depth: int
    ) -> tuple[list[DataSet] | Fragments | None, int]:
        """The items or fragments from ``start``, and where the element ends; None when there are neither."""
        end = stop if length == UNDEFINED else start + length
        if end > stop:
            self.cut_off = True
            self.warn(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is longer than what holds it")
            end = stop
        if length == UNDEFINED and (tag in PIXEL_TAGS or vr[:2] in ("OB", "OW", "OF", "OD", "OL", "OV")):
            if not starts_item(self.window.bytes(start, 4), little_endian=self._little):
                self.warn("pixel data of undefined length has no items")
                return None, stop
            return self._fragments(start, stop)
        if vr == "UN" and length == UNDEFINED and self._explicit:
            items, reached = self._inner()._items(start, end, depth)
        else:
            items, reached = self._items(start, end, depth)
        return items, reached if length == UNDEFINED else end

    def _items(self, position: int, stop: int, depth: int) -> tuple[list[DataSet], int]:
        if depth >= MAX_DEPTH:
            raise Rejected(f"sequences are nested deeper than {MAX_DEPTH}", reason=CANNOT_UNDERSTAND)
        items: list[DataSet] = []
        window = self.window
        while position + 8 <= stop:
            if position + 8 > window.end:
                window.load(position)
            group, number, length = self._implicit(window.buffer, position - window.base)
            if group != 0xFFFE or number not in (0xE000, 0xE0DD, 0xE00D):
                self.warn("a sequence is not closed")
                return items, position
            position += 8
            if number == 0xE0DD:
                return items, position
            if number == 0xE00D:
                continue
            if length == UNDEFINED:
                item, position = self.data_set(position, stop, depth + 1)
            else:
                end = position + length
                if end > stop:
                    self.cut_off = True
                    self.warn("an item is longer than what holds it")
                    end = stop
                item, _ = self.data_set(position, end, depth + 1)
                position = end
            items.append(item)
        return items, position

    def _fragments(self, position: int, stop: int) -> tuple[Fragments, int]:
        found = Fragments()
        first = True
        while position + 8 <= stop:
            header = self.window.bytes(position, 8)
            group, number, length = self._implicit(header)
            if (group, number) == (0xFFFE, 0xE0DD):
                return found, position + 8
            if (group, number) != (0xFFFE, 0xE000):
                moved = self._resync(position)
                if moved is None:
                    self.warn("the pixel data is not closed")
                    return found, position
                position = moved
                continue
            start, position = position + 8, position + 8 + length
            if position > stop:
                self.cut_off, found.whole = True, False
                self.warn("the pixel data is cut off")
                if first:
                    found.table_end = start
                return found, stop
            if first:
                found.table, found.table_end, first = self.window.bytes(start, min(length, MAX_KEPT)), position, False
            else:
                found.places.append((start, length))
                self._count_up(1)
        self.warn("the pixel data is not closed")
        return found, stop

    def _resync(self, position: int) -> int | None:
        """The next item where a fragment's odd length left out its pad byte, or counted one too many."""
        for near in (position + 1, position - 1):
            if starts_item(self.window.bytes(near, 4), little_endian=self._little, or_end=True):
                self.warn("a fragment has a wrong length")
                return near
        return None

    def _count_up(self, number: int) -> None:
        self._spent[0] += number
        if self._spent[0] > MAX_ELEMENTS:
            raise Rejected("the data set has more elements than this server takes", reason=CANNOT_UNDERSTAND)

    def warn(self, text: str) -> None:
        if len(self.warnings) < 20 and text not in self.warnings:
            self.warnings.append(text)


class _NoSource:
    size = 0

    def read(self, start: int, length: int) -> bytes:
        return b""


_NO_SOURCE = _NoSource()


def walk(
    source: Source,
    start: int = 0,
    *,
    explicit: bool = True,
    little_endian: bool = True,
    keep_binary: int = KEEP_BINARY,
    keep_array: int = KEEP_ARRAY,
) -> Walked:
    """Read the data set from ``start`` to the end. Raises Rejected where it goes beyond the bounds above."""
    walker = Walker(
        source, explicit=explicit, little_endian=little_endian, keep_binary=keep_binary, keep_array=keep_array
    )
    elements, end = walker.data_set(start, source.size, 0)
    if not explicit:
        elements = resolved(elements)
    return Walked(elements, little_endian, walker.warnings, end, walker.cut_off)


def _block(tag: int) -> int:
    """The element that reserves the block of private element ``tag`` (PS3.5 7.8.1)."""
    return (tag & 0xFFFF0000) | ((tag >> 8) & 0xFF)


def _known(tag: int, length: int, creators: dict[int, str]) -> str:
    """The VR of an element sent as UN: it may be known here (PS3.5 6.2.2, J-31)."""
    if tag in PIXEL_TAGS:
        return "OW"
    if length >= 0xFFFF:
        return "UN"
    if tag & 0x10000:
        return private_vr(tag, creators.get(_block(tag), ""))
    vr = public_vr(tag)
    return vr if len(vr) == 2 else "UN"
