"""A whole file in another transfer syntax: its pixels transcoded, its other values untouched (C-30, W-04, T-09)."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO

import numpy as np

from dicomweb_server.dicom.elements import UNDEFINED, Element, find
from dicomweb_server.dicom.encapsulate import encapsulated_to
from dicomweb_server.dicom.identity import identity
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.dicom.reading import Opened, opened
from dicomweb_server.dicom.rewrite import Rewritten, Writer
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.stored import Stored, stored
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.transcode import Transcoded, transcode
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.records import DicomJson

PIXEL_DATA = 0x7FE00010
FRAMES = 0x00280008
LOSSY = 0x00282110
"""What came out of a lossy encoding stays so when it is decoded (PS3.3 C.7.6.1.1.5)."""
_FIRST_PIXEL_TAG = 0x7FE00000
_LONGEST = 0xFFFFFFFE
_IN_MEMORY = 64 << 20
"""Transcoded frames up to this are gathered in memory, more of them in a file."""
_LONG = struct.Struct("<HH2sHI")


def write_transcoded(source: Source, target: str, out: BinaryIO, *, quality: int = 90) -> None:
    """Write the Part 10 file ``source`` to ``out`` in transfer syntax ``target``.

    Raises Rejected, NotAcceptable where there are no frames or the target cannot hold them, Undecodable.
    """
    file, found = opened(source), stored(source)
    if found.index is not None and not found.drawable:
        raise NotAcceptable("the instance has no frames that could be given in another transfer syntax")
    walked = file.walk()
    uids = identity(walked.elements, file.head)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as pixels:
        attributes = _write_pixels(found, target, quality, pixels) if found.index is not None else {}
        if found.index is not None and found.attributes.whole(f"{FRAMES:08X}", 1) != found.index.count:
            attributes |= {f"{FRAMES:08X}": {"vr": "IS", "Value": [found.index.count]}}
        if file.syntax.lossy and find(walked.elements, LOSSY) is None:
            attributes |= {f"{LOSSY:08X}": {"vr": "CS", "Value": ["01"]}}
        writer = Writer(file, walked, file_meta(uids.sop_class, uids.sop_instance, target))
        for element, little in _merged(file, walked.elements, attributes, walked.little_endian):
            writer.data_set([element], little=little)
        for part in Rewritten(file.stream, writer.finished()):
            out.write(part)
        pixels.seek(0)
        while block := pixels.read(1 << 20):
            out.write(block)


def _merged(
    file: Opened, elements: list[Element], attributes: DicomJson, little: bool
) -> Iterator[tuple[Element, bool]]:
    """What stands before the pixels, in order: each element and whether its value is little endian already."""
    new = {int(tag, 16): _element(int(tag, 16), each) for tag, each in attributes.items()}
    old = {e.tag: e for e in elements if e.tag < _FIRST_PIXEL_TAG and e.tag not in new and e.tag & 0xFFFF}
    for tag in sorted({*new, *old}):
        yield (new[tag], True) if tag in new else (old[tag], little)


def _element(tag: int, attribute: Any) -> Element:
    values = attribute["Value"]
    if attribute["vr"] == "US":
        encoded = struct.pack(f"<{len(values)}H", *values)
    else:
        encoded = "\\".join(map(str, values)).encode("ascii")
        encoded += b" " * (len(encoded) % 2)
    return Element(tag, attribute["vr"], 0, len(encoded), encoded)


def _write_pixels(found: Stored, target: str, quality: int, out: IO[bytes]) -> DicomJson:
    """The whole element (7FE0,0010), and the attributes that describe it."""
    assert found.index is not None
    frames = (_frame(found, number, target, quality) for number in range(1, found.index.count + 1))
    if target == EXPLICIT_LE:
        return _write_native(found, frames, out)
    parts = list(frames)
    out.write(_LONG.pack(PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, b"OB", 0, UNDEFINED))
    encapsulated_to(out, [part.data for part in parts])
    return _described(parts)


def _frame(found: Stored, number: int, target: str, quality: int) -> Transcoded:
    data, subject = found.frame(number)
    return transcode(data, subject.facts, target, quality=quality)


def _described(parts: list[Transcoded]) -> DicomJson:
    """The attributes of all frames; the compression ratio is that of them together (PS3.3 C.7.6.1.1.5.2)."""
    found = dict(parts[0].attributes)
    if "00282112" in found:
        ratios = [part.attributes["00282112"]["Value"][0] for part in parts]
        size = sum(ratio * len(part.data) for ratio, part in zip(ratios, parts, strict=True))
        found["00282112"] = {"vr": "DS", "Value": [round(size / sum(len(part.data) for part in parts), 2)]}
    return found


def _write_native(found: Stored, frames: Iterator[Transcoded], out: IO[bytes]) -> DicomJson:
    assert found.index is not None
    first = next(frames)
    bits = first.attributes["00280100"]["Value"][0]
    pixels = found.frame(1)[1].facts.pixels if bits == 1 else 0
    if bits == 1 and pixels % 8:
        data = _packed([first.data, *(frame.data for frame in frames)], pixels)
        frames, size = iter(()), len(data)
    else:
        data, size = first.data, len(first.data) * found.index.count
    padded = size + size % 2
    if padded > _LONGEST:
        raise NotAcceptable("the pixels are longer than native pixel data can be", available=("*",))  # C-30
    vr = b"OW" if bits > 8 else b"OB"
    out.write(_LONG.pack(PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF, vr, 0, padded))
    out.write(data)
    for frame in frames:
        out.write(frame.data)
    out.write(bytes(size % 2))
    return first.attributes


def _packed(frames: list[bytes], pixels: int) -> bytes:
    """Frames of one-bit pixels without the bits that fill up the last byte of each (PS3.5 8.2)."""
    bits = [np.unpackbits(np.frombuffer(frame, np.uint8), count=pixels, bitorder="little") for frame in frames]
    return np.packbits(np.concatenate(bits), bitorder="little").tobytes()
