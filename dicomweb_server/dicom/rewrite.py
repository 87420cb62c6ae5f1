"""A file again in Explicit VR Little Endian, its values untouched (C-07, T-12, T-15, T-16)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from dicomweb_server.dicom.elements import UNDEFINED, DataSet, Element, Fragments, Walked, find
from dicomweb_server.dicom.framing import BITS, number_of, pixel_word
from dicomweb_server.dicom.identity import identity
from dicomweb_server.dicom.jsonmodel import WORD, swapped
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.dicom.reading import Opened, opened
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.tags import LONG_VRS, PIXEL_TAGS
from dicomweb_server.model.records import Span

ORIGINAL_ATTRIBUTES, MODIFYING_SYSTEM = 0x04000561, 0x04000563
MODIFIED_BY = "dicomweb-server"
"""In the record of a change made on arrival (PS3.3 C.12.1.1.9)."""

_CHUNK = 1 << 20
_MAX_SHORT = 65534

_INFLATED_FORM = {
    "1.2.840.10008.1.2.4.95": "1.2.840.10008.1.2.4.94",
    "1.2.840.10008.1.2.4.205": "1.2.840.10008.1.2.4.204",
}
"""JPIP keeps its name without the deflation."""

_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHI")
_ITEM = struct.Struct("<HHI")
_OPEN_ITEM = _ITEM.pack(0xFFFE, 0xE000, UNDEFINED)
_CLOSE_ITEM = _ITEM.pack(0xFFFE, 0xE00D, 0)
_CLOSE_SEQUENCE = _ITEM.pack(0xFFFE, 0xE0DD, 0)

_Part = bytes | tuple[Span, int]
"""Bytes as they are, or a place in the source and the word size to turn around."""


class Rewritten:
    """A file ready to be streamed; its size is known before."""

    def __init__(self, stream: Source, parts: list[_Part]) -> None:
        self._stream = stream
        self._parts = parts
        self.size = sum(len(part) if isinstance(part, bytes) else part[0].length for part in parts)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from _chunks(self._stream, *part)


def explicit_le(source: Source) -> Rewritten:
    """The Part 10 file ``source`` as Explicit VR Little Endian.

    What is explicit and little endian already, compressed or not, comes out as it is. Raises Rejected.
    """
    file = opened(source)
    if file.syntax.servable and file.head.sound:
        return Rewritten(source, [(Span(0, source.size), 1)])
    walked = file.walk()
    uids = identity(walked.elements, file.head)
    kept = file.syntax.servable or file.syntax.encapsulated
    name = file.syntax.uid if kept else _INFLATED_FORM.get(file.syntax.uid, EXPLICIT_LE)
    head = file_meta(uids.sop_class, uids.sop_instance, name)
    if file.syntax.explicit and file.syntax.little_endian:
        return Rewritten(file.stream, [head, (Span(file.start, file.stream.size - file.start), 1)])
    writer = Writer(file, walked, head)
    writer.data_set(walked.elements, little=walked.little_endian)
    return Rewritten(file.stream, writer.finished())


class _Words:
    """How many bytes of an element's value belong together, to be turned around for little endian."""

    def __init__(self, file: Opened, walked: Walked) -> None:
        facts = {element.tag: element for element in walked.elements}
        self._allocated = number_of(walked, facts, BITS)
        self._pixels_swapped = file.syntax.pixels_swapped

    def __call__(self, element: Element, *, little: bool) -> int:
        word = 1 if little else WORD.get(element.vr, 1)
        if element.tag in PIXEL_TAGS and (word > 1 or self._pixels_swapped):
            return pixel_word(element.vr, self._allocated)
        return word


class Writer:
    """Writes elements of a walk in Explicit VR Little Endian, large values by reference to where they lie."""

    def __init__(self, file: Opened, walked: Walked, head: bytes) -> None:
        self._parts: list[_Part] = []
        self._pending = bytearray(head)
        self._word = _Words(file, walked)

    def finished(self) -> list[_Part]:
        self._flush()
        return self._parts

    def data_set(self, elements: DataSet, *, little: bool) -> None:
        for element in elements:
            if element.tag >= 0x00040000:
                self._element(element, little=little)

    def _element(self, element: Element, *, little: bool) -> None:
        value = element.value
        if isinstance(value, list):
            self._header(element.tag, "SQ", UNDEFINED)
            for item in value:
                self._pending += _OPEN_ITEM
                self.data_set(item, little=little or element.vr == "UN")
                self._pending += _CLOSE_ITEM
            self._pending += _CLOSE_SEQUENCE
        elif isinstance(value, Fragments):
            self._fragments(element.tag, value)
        else:
            self._value(element, little=little)

    def _value(self, element: Element, *, little: bool) -> None:
        odd = element.length % 2
        self._header(element.tag, element.vr, element.length + odd)
        word = self._word(element, little=little)
        if isinstance(element.value, bytes):
            self._pending += swapped(element.value, word)
        elif element.length:
            self._place(Span(element.start, element.length), word)
        if odd:
            self._pending += b"\0" if element.vr in ("OB", "UN", "UI") else b" "

    def _fragments(self, tag: int, found: Fragments) -> None:
        self._header(tag, "OB", UNDEFINED)
        self._pending += _ITEM.pack(0xFFFE, 0xE000, len(found.table)) + found.table
        for start, length in found.places:
            self._pending += _ITEM.pack(0xFFFE, 0xE000, length)
            self._place(Span(start, length), 1)
        self._pending += _CLOSE_SEQUENCE

    def _header(self, tag: int, vr: str, length: int) -> None:
        code = vr.encode()
        if code not in LONG_VRS and length > _MAX_SHORT:
            code = b"UN"
        group, number = tag >> 16, tag & 0xFFFF
        if code in LONG_VRS:
            self._pending += _LONG.pack(group, number, code, 0, length)
        else:
            self._pending += _SHORT.pack(group, number, code, length)

    def _place(self, span: Span, word: int) -> None:
        self._flush()
        self._parts.append((span, word))

    def _flush(self) -> None:
        if self._pending:
            self._parts.append(bytes(self._pending))
            self._pending.clear()


def _chunks(stream: Source, span: Span, word: int) -> Iterator[bytes]:
    for start in range(span.start, span.end, _CHUNK):
        yield swapped(stream.read(start, min(_CHUNK, span.end - start)), word)


def same_content(one: Source, other: Source) -> bool:
    """Whether both hold the same data set.

    Preamble, group 2, group lengths and the native encoding (VR form, endianness, deflation) do not count, nor does
    the record of what was changed on arrival;
    compressed pixel data is compared byte by byte. Both are read once, in pieces. Raises Rejected.
    """
    return _content(one) == _content(other)


def _is_ours(element: Element) -> bool:
    """Whether an element is no more than the record of what was changed here on arrival."""
    items = element.value
    return element.tag == ORIGINAL_ATTRIBUTES and isinstance(items, list) and all(map(_by_us, items))


def _by_us(item: DataSet) -> bool:
    by = find(item, MODIFYING_SYSTEM)
    return by is not None and isinstance(by.value, bytes) and by.value.decode("latin-1").strip() == MODIFIED_BY


def _content(source: Source) -> bytes:
    file = opened(source)
    walked = file.walk()
    digest = hashlib.sha256()
    word = _Words(file, walked)

    def value(element: Element, little: bool) -> None:
        for chunk in _chunks(file.stream, Span(element.start, element.length), word(element, little=little)):
            digest.update(chunk)

    def data_set(elements: DataSet, little: bool) -> None:
        for element in elements:
            if isinstance(element.value, list):
                digest.update(struct.pack("<IcI", element.tag, b"s", len(element.value)))
                for item in element.value:
                    data_set(item, little or element.vr == "UN")
                    digest.update(_CLOSE_ITEM)
            elif isinstance(element.value, Fragments):
                digest.update(struct.pack("<IcI", element.tag, b"f", len(element.value.places)))
                for start, length in element.value.places:
                    digest.update(length.to_bytes(8, "little"))
                    for chunk in _chunks(file.stream, Span(start, length), 1):
                        digest.update(chunk)
            else:
                digest.update(struct.pack("<IcI", element.tag, b"v", element.length))
                value(element, little)

    data_set([each for each in walked.elements if each.tag >= 0x00040000 and not _is_ours(each)], walked.little_endian)
    digest.update(file.syntax.uid.encode() if file.syntax.encapsulated else b"native")
    return digest.digest()
