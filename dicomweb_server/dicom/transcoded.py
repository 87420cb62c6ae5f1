"""A whole file in another transfer syntax: its pixels transcoded, its other values untouched (C-30, W-04, T-09)."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import IO, BinaryIO

from dicomweb_server.dicom.elements import UNDEFINED, DataSet, Element, find
from dicomweb_server.dicom.encapsulate import write_fragments
from dicomweb_server.dicom.frames import FrameIndex
from dicomweb_server.dicom.identity import identity
from dicomweb_server.dicom.nested import PIXEL_DATA, with_native_icons
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.rewrite import Rewritten, Writer
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.stored import Stored, stored
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.tags import DOUBLE_PIXELS, FLOAT_PIXELS
from dicomweb_server.dicom.transcode import Transcoded, elements_of, transcode
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.records import DicomJson

RATIO = "00282112"
FRAMES = 0x00280008
LOSSY = 0x00282110
"""What came out of a lossy encoding stays so when it is decoded (PS3.3 C.7.6.1.1.5)."""
_FIRST_PIXEL_TAG = 0x7FE00000
_LAST_PIXEL_TAG = 0x7FE00010
_SIGNATURES = 0xFFFA0000
"""Digital signatures, which would no longer be true, and padding."""
_LONGEST = 0xFFFFFFFE
_IN_MEMORY = 64 << 20
"""Transcoded frames up to this are gathered in memory, more of them in a file."""
_BLOCK = 1 << 20
_LONG = struct.Struct("<HH2sHI")


def write_transcoded(
    source: Source,
    target: str,
    out: BinaryIO,
    *,
    quality: int = 90,
    folder: str | None = None,
    after_each: Callable[[], None] | None = None,
) -> None:
    """Write the Part 10 file ``source`` to ``out`` in transfer syntax ``target``.

    ``folder`` is where many frames are gathered; ``after_each`` of them is called.

    Raises Rejected, NotAcceptable where there are no frames or the target cannot hold them, Undecodable.
    """
    file, found = opened(source), stored(source)
    if found.index is not None and not found.drawable:
        raise NotAcceptable("the instance has no frames that could be given in another transfer syntax")
    walked = file.walk()
    uids = identity(walked.elements, file.head)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=folder) as pixels:
        attributes: DicomJson = {}
        before = b""
        if found.index is not None:
            frames = _frames(found, found.index, target, quality, after_each)
            native = target == EXPLICIT_LE
            attributes, before = _write_native(found, frames, pixels) if native else _write_compressed(frames, pixels)
        if found.index is not None and found.attributes.whole(f"{FRAMES:08X}", 1) != found.index.count:
            attributes |= {f"{FRAMES:08X}": {"vr": "IS", "Value": [found.index.count]}}
        if file.syntax.lossy and find(walked.elements, LOSSY) is None:
            attributes |= {f"{LOSSY:08X}": {"vr": "CS", "Value": ["01"]}}
        writer = Writer(file, walked, file_meta(uids.sop_class, uids.sop_instance, target))
        for element, little in _merged(with_native_icons(file, walked.elements), attributes, walked.little_endian):
            writer.data_set([element], little=little)
        _copy(Rewritten(file.stream, writer.finished()), out)
        out.write(before)
        pixels.seek(0)
        _copy(iter(partial(pixels.read, _BLOCK), b""), out)
    behind = Writer(file, walked, b"")
    behind.data_set([e for e in walked.elements if _LAST_PIXEL_TAG < e.tag < _SIGNATURES], little=walked.little_endian)
    _copy(Rewritten(file.stream, behind.finished()), out)


def _copy(blocks: Iterable[bytes], out: IO[bytes]) -> None:
    for block in blocks:
        out.write(block)


def _merged(elements: DataSet, attributes: DicomJson, little: bool) -> Iterator[tuple[Element, bool]]:
    """What stands before the pixels, in order: each element and whether its value is little endian already."""
    new = elements_of(attributes)
    old = {e.tag: e for e in elements if e.tag < _FIRST_PIXEL_TAG and e.tag not in new and e.tag & 0xFFFF}
    for tag in sorted({*new, *old}):
        yield (new[tag], True) if tag in new else (old[tag], little)


def _frames(
    found: Stored, index: FrameIndex, target: str, quality: int, after_each: Callable[[], None] | None
) -> Iterator[Transcoded]:
    for number in range(1, index.count + 1):
        data, subject = found.frame(number)
        yield transcode(data, subject.facts, target, quality=quality)
        if after_each is not None:
            after_each()


def _write_compressed(frames: Iterator[Transcoded], out: IO[bytes]) -> tuple[DicomJson, bytes]:
    """Write the value of the pixel data; return the attributes that describe it, and what stands before it.

    The compression ratio is that of all frames together (PS3.3 C.7.6.1.1.5.2).
    """
    attributes: DicomJson = {}
    plain = coded = 0.0

    def passing() -> Iterator[bytes]:
        nonlocal attributes, plain, coded
        for frame in frames:
            attributes = attributes or dict(frame.attributes)
            coded += len(frame.data)
            if RATIO in attributes:
                plain += frame.attributes[RATIO]["Value"][0] * len(frame.data)
            yield frame.data

    table = write_fragments(out, passing())
    if RATIO in attributes:
        attributes[RATIO] = {"vr": "DS", "Value": [round(plain / coded, 2)]}
    return attributes, _header(PIXEL_DATA, b"OB", UNDEFINED) + table


def _header(tag: int, vr: bytes, length: int) -> bytes:
    return _LONG.pack(tag >> 16, tag & 0xFFFF, vr, 0, length)


def _write_native(found: Stored, frames: Iterator[Transcoded], out: IO[bytes]) -> tuple[DicomJson, bytes]:
    """The same for uncompressed pixel data."""
    index, facts = found.index, found.frame(1)[1].facts
    assert index is not None
    first = next(frames)
    data: Iterator[bytes] = (frame.data for frame in chain((first,), frames))
    size = len(first.data) * index.count
    if facts.cell_bits == 1:
        pixels = facts.pixels * facts.samples
        data, size = _packed(data, pixels), (pixels * index.count + 7) // 8
    if size > _LONGEST:
        raise NotAcceptable("the pixels are longer than native pixel data can be", available=("*",))  # C-30
    _copy(data, out)
    out.write(bytes(size % 2))
    vr = {FLOAT_PIXELS: b"OF", DOUBLE_PIXELS: b"OD"}.get(index.tag) or (b"OW" if facts.cell_bits > 8 else b"OB")
    return first.attributes, _header(index.tag, vr, size + size % 2)


def _packed(frames: Iterator[bytes], pixels: int) -> Iterator[bytes]:
    """Frames of one-bit pixels without the bits that fill up the last byte of each (PS3.5 8.2)."""
    bits = held = 0
    for frame in frames:
        held |= int.from_bytes(frame, "little") << bits
        bits += pixels
        whole = bits // 8
        yield (held & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
        held >>= 8 * whole
        bits %= 8
    yield held.to_bytes((bits + 7) // 8, "little")
