"""From a walked data set to its frame index (T-05 to T-08, T-11, T-12)."""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence

from dicomweb_server.dicom.elements import Element, Fragments, Walked
from dicomweb_server.dicom.frames import FragmentedFrames, FrameIndex, NativeFrames, VideoStream
from dicomweb_server.dicom.jsonmodel import WORD
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import TransferSyntax
from dicomweb_server.dicom.tags import (
    DOUBLE_PIXELS,
    EXTENDED_LENGTHS,
    EXTENDED_OFFSETS,
    FLOAT_PIXELS,
    NUMBER_OF_FRAMES,
    PIXEL_TAGS,
)

ROWS, COLUMNS, SAMPLES, BITS, PHOTOMETRIC = 0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280004

_CODESTREAMS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP", b"\xff\x0a", b"\x00\x00\x00\x0cJXL")
"""How a JPEG, JPEG-LS, JPEG 2000 or JPEG XL stream begins."""

_BOXED = {"image/jp2", "image/jpx", "image/jphc"}
_MOST_BOXES = 64

_MAX_TABLE = 64 << 20


def frame_index(walked: Walked, source: Source, syntax: TransferSyntax, *, bare: bool = False) -> FrameIndex | None:
    """The frames of ``walked``, a data set in ``source``; None where it has no pixel data. Warns in ``walked``.

    With ``bare``, frames begin at their codestream, without the boxes of a JP2 file that some writers put around it.
    """
    facts = {element.tag: element for element in walked.elements}
    pixels = next((facts[tag] for tag in sorted(PIXEL_TAGS, reverse=True) if tag in facts), None)
    if pixels is None:
        return None
    if not isinstance(pixels.value, Fragments):
        if syntax.encapsulated and pixels.tag not in (FLOAT_PIXELS, DOUBLE_PIXELS):
            walked.warnings.append("the pixel data is not encapsulated although the transfer syntax says so")
        return _native(walked, facts, pixels, syntax)
    if not syntax.encapsulated:
        walked.warnings.append("the pixel data is encapsulated although the transfer syntax does not say so")
    found = pixels.value
    starts = array("Q", [start for start, _ in found.places])
    lengths = array("I", [length for _, length in found.places])
    if syntax.video:
        whole = (0, len(starts))
        return VideoStream(count=1, tag=pixels.tag, firsts=whole, starts=starts, lengths=lengths)
    groups = _Grouping(walked, facts, found, source).groups()
    if bare and syntax.media_type in _BOXED:
        _leave_boxes_out(source, groups, starts, lengths)
    count = len(groups) - 1
    one_each = groups[-1] == count
    return FragmentedFrames(
        count=count,
        deflated=syntax.deflated,
        tag=pixels.tag,
        firsts=range(count + 1) if one_each else tuple(groups),
        starts=starts,
        lengths=lengths,
    )


def _leave_boxes_out(source: Source, groups: Sequence[int], starts: array[int], lengths: array[int]) -> None:
    for place in groups[:-1]:
        skipped = _before_codestream(source, starts[place], lengths[place])
        if not skipped:
            return  # as the first frame, so the others
        starts[place] += skipped
        lengths[place] -= skipped


def _before_codestream(source: Source, start: int, length: int) -> int:
    """Bytes of what a JP2 file has before its codestream (T.800 I.4); 0 where there is none around it."""
    at = 0
    for _ in range(_MOST_BOXES):
        size, kind, large = struct.unpack(">I4sQ", source.read(start + at, 16).ljust(16, b"\0"))
        head = 16 if size == 1 else 8
        size = large if size == 1 else size
        if kind == b"jp2c" and at + head < length:
            return at + head
        if (at == 0 and kind != b"jP  ") or size < head or at + size >= length:
            return 0
        at += size
    return 0


def _native(walked: Walked, facts: dict[int, Element], pixels: Element, syntax: TransferSyntax) -> NativeFrames | None:
    declared = _declared(facts)
    count = max(1, declared or 1)
    available = pixels.length * 8
    allocated = {FLOAT_PIXELS: 32, DOUBLE_PIXELS: 64}.get(pixels.tag) or number_of(walked, facts, BITS)
    area = number_of(walked, facts, ROWS) * number_of(walked, facts, COLUMNS) * (number_of(walked, facts, SAMPLES) or 1)
    frame_bits = area * allocated
    if "422" in _text(facts, PHOTOMETRIC) and area * allocated * 2 // 3 * count <= available < frame_bits * count:
        # Two pixels share their chroma samples (PS3.3 C.7.6.3.1.2).
        frame_bits = area * allocated * 2 // 3
    if not frame_bits:
        walked.warnings.append("the size of a frame is not known")
        frame_bits = pixels.length // count * 8
    held = available // frame_bits if frame_bits else 0
    if held < count:
        walked.warnings.append(f"there is pixel data for {held} of {count} frames")
    elif available - frame_bits * count > 15:
        walked.warnings.append("there is more pixel data than the frames need")
    word = 1 if walked.little_endian and not syntax.pixels_swapped else pixel_word(pixels.vr, allocated)
    return NativeFrames(
        count=min(count, held),
        deflated=syntax.deflated,
        tag=pixels.tag,
        start=pixels.start,
        frame_bits=frame_bits,
        available=pixels.length,
        word=word,
    )


def pixel_word(vr: str, allocated: int) -> int:
    """Bytes of one word of pixel data in big endian: those of the VR, or of the larger cells that it holds."""
    word = WORD.get(vr, 2)
    return max(word, allocated // 8) if vr == "OW" and allocated in (16, 32, 64) else word


class _Grouping:
    """Which fragments make up which frame."""

    def __init__(self, walked: Walked, facts: dict[int, Element], found: Fragments, source: Source) -> None:
        self._walked = walked
        self._facts = facts
        self._found = found
        self._source = source
        self._fragments = len(found.places)

    def groups(self) -> Sequence[int]:
        """The number of the first fragment of each frame, and behind them how many fragments there are."""
        wanted = _declared(self._facts) or 0
        if NUMBER_OF_FRAMES not in self._facts:
            begun = self._begun()
            if len(begun) > 1:
                self._warn(f"there is pixel data for {len(begun)} frames, but no Number of Frames")
                return self._from(begun)
            wanted = 1
        if wanted == 1:
            return self._single()
        groups = self._by_tables(wanted) if self._found.whole else None
        if groups is None:
            groups = self._by_content(wanted)
        if wanted and len(groups) - 1 < wanted:
            self._warn(f"there is pixel data for {len(groups) - 1} of {wanted} frames")
        elif wanted and len(groups) - 1 > wanted:
            self._warn(f"there is pixel data for {len(groups) - 1} frames, not {wanted}")
            groups = groups[: wanted + 1]
        return groups

    def _single(self) -> Sequence[int]:
        """One frame made of all fragments."""
        if self._fragments and self._found.whole:
            return [0, self._fragments]
        self._warn("there is pixel data for 0 of 1 frames")
        return [0]

    def _by_tables(self, wanted: int) -> Sequence[int] | None:
        """As the Extended or else the Basic Offset Table says, if one of them can be true."""
        tables = [table for table in (self._extended(), self._basic()) if table]
        for table in tables:
            groups = self._fitting(table, wanted)
            if groups is not None:
                return groups
        if tables:
            self._warn("the offset table is wrong")
        return None

    def _fitting(self, table: Sequence[int], wanted: int) -> list[int] | None:
        base = self._found.table_end
        items = [start - 8 - base for start, _ in self._found.places]
        if not items or table[0] != 0 or (wanted and len(table) != wanted):
            return None
        groups: list[int] = []
        for offset in table:
            place = bisect_left(items, offset)
            if place == len(items) or items[place] != offset or (groups and place <= groups[-1]):
                return None
            groups.append(place)
        return [*groups, self._fragments]

    def _basic(self) -> Sequence[int] | None:
        table = self._found.table
        return struct.unpack(f"<{len(table) // 4}I", table) if table and len(table) % 4 == 0 else None

    def _extended(self) -> Sequence[int] | None:
        element = self._facts.get(EXTENDED_OFFSETS)
        lengths = self._facts.get(EXTENDED_LENGTHS)
        if element is None or lengths is None or not 0 < element.length <= _MAX_TABLE or element.length % 8:
            return None
        raw = element.value if isinstance(element.value, bytes) else self._source.read(element.start, element.length)
        return struct.unpack(f"<{len(raw) // 8}Q", raw)

    def _by_content(self, wanted: int) -> Sequence[int]:
        """One fragment a frame where that fits, else by where codestreams begin (T-06)."""
        each = range(self._fragments + 1)
        if self._fragments <= wanted:
            return each
        begun = self._begun()
        return self._from(begun) if begun else each

    def _from(self, begun: list[int]) -> Sequence[int]:
        return [0, *begun[1:], self._fragments]

    def _begun(self) -> list[int]:
        """The fragments that begin a codestream of the kind that the first one, unless it is empty, begins."""
        heads = [self._source.read(start, min(length, 8)) for start, length in self._found.places]
        first = next(filter(None, heads), b"")
        mark = next((mark for mark in _CODESTREAMS if first.startswith(mark)), None)
        return [number for number, head in enumerate(heads) if mark is not None and head.startswith(mark)]

    def _warn(self, text: str) -> None:
        self._walked.warnings.append(text)


def _text(facts: dict[int, Element], tag: int) -> str:
    element = facts.get(tag)
    return element.value.decode("latin-1").strip(" \0") if element and isinstance(element.value, bytes) else ""


def _declared(facts: dict[int, Element]) -> int | None:
    """Number of Frames where it is a positive number."""
    text = _text(facts, NUMBER_OF_FRAMES)
    number = int(text) if re.fullmatch(r"\+?\d{1,12}", text) else 0
    return number or None


def number_of(walked: Walked, facts: dict[int, Element], tag: int) -> int:
    """The first number of a US, or of a text in its place; 0 where there is none."""
    element = facts.get(tag)
    if element is None or not isinstance(element.value, bytes):
        return 0
    if element.vr in ("US", "SS", "UL", "SL"):
        return int.from_bytes(element.value[:2], "little" if walked.little_endian or element.vr == "UN" else "big")
    text = _text(facts, tag)
    return int(text) if re.fullmatch(r"\d{1,6}", text) else 0
