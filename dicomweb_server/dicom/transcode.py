"""One frame from its stored transfer syntax to another, and what the data set must then say of it.

Lossless stays lossless: a lossy target is used only when the caller names one. Cells never change on the way to a
lossless target; only their order (interleaved) and, for JPEG and JPEG 2000 sources, their colour space may (T-09).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.elements import Element
from dicomweb_server.dicom.pixels.colour import as_rgb
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.pixels.encode import encode, within_stored_bits
from dicomweb_server.dicom.pixels.facts import Element as Holder
from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.pixels.native import to_native
from dicomweb_server.dicom.syntaxes import TARGETS
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.records import DicomJson

_LOSSY_METHODS = {
    syntaxes.JPEG_BASELINE: "ISO_10918_1",
    syntaxes.JPEG_LS_NEAR: "ISO_14495_1",
    syntaxes.JPEG_2000: "ISO_15444_1",
    syntaxes.HTJ2K: "ISO_15444_15",
}


@dataclass(frozen=True, slots=True)
class Transcoded:
    """One frame in another transfer syntax."""

    data: bytes
    attributes: DicomJson
    """The elements of the Image Pixel module that a data set holding this frame needs, in place of its own (T-09)."""


def transcode(data: bytes, facts: ImageFacts, target: str, *, quality: int = 90) -> Transcoded:
    """The frame in ``target``. Raises Undecodable, and NotAcceptable where the target cannot hold such pixels.

    ``quality`` (1 to 100) matters for lossy targets only.
    """
    if target not in TARGETS:
        raise NotAcceptable(f"no encoder for transfer syntax {target[:64]}", available=tuple(sorted(TARGETS)))
    frame, facts = _decoded(data, facts)
    if target == syntaxes.EXPLICIT_LE:
        return Transcoded(to_native(frame.cells, bits_allocated=facts.cell_bits), _described(frame, facts))
    if target in _LOSSY_METHODS:
        if not within_stored_bits(frame.cells, facts):
            raise NotAcceptable("bits outside of those stored stand no loss", available=(syntaxes.EXPLICIT_LE,))
        frame = as_rgb(frame)
        # What is lost may lead past the bits that were stored: readers would cut it off there
        facts = replace(facts, bits_stored=facts.cell_bits, high_bit=facts.cell_bits - 1)
    encoded, photometric = encode(frame, facts, target, quality)
    attributes = _described(Frame(frame.cells, photometric), facts)
    if target in _LOSSY_METHODS:
        attributes |= _lossy(len(to_native(frame.cells, bits_allocated=facts.cell_bits)) / len(encoded), target)
    return Transcoded(encoded, attributes)


def elements_of(attributes: DicomJson) -> dict[int, Element]:
    """Such attributes encoded in little endian, by tag."""
    return {int(tag, 16): _element(int(tag, 16), each) for tag, each in attributes.items()}


def _element(tag: int, attribute: Any) -> Element:
    values = attribute["Value"]
    if attribute["vr"] == "US":
        encoded = struct.pack(f"<{len(values)}H", *values)
    else:
        encoded = "\\".join(map(str, values)).encode("ascii", "replace")
        encoded += b" " * (len(encoded) % 2)
    return Element(tag, attribute["vr"], 0, len(encoded), encoded)


def _decoded(data: bytes, facts: ImageFacts) -> tuple[Frame, ImageFacts]:
    """The frame, in a colour space that every target has, and its facts with the sign that it really has."""
    frame = decode(data, facts)
    if frame.photometric == "YBR_PARTIAL_422":
        frame = as_rgb(frame)
    return frame, replace(facts, signed=frame.cells.dtype.kind == "i") if facts.element is Holder.INTEGER else facts


def _described(frame: Frame, facts: ImageFacts) -> DicomJson:
    samples = frame.cells.shape[2] if frame.cells.ndim == 3 else 1
    found: DicomJson = {
        "00280002": _short(samples),
        "00280004": {"vr": "CS", "Value": [frame.photometric]},
        "00280100": _short(facts.cell_bits),
    }
    if facts.element is Holder.INTEGER:
        found["00280101"] = _short(facts.bits_stored)
        found["00280102"] = _short(facts.high_bit)
        found["00280103"] = _short(int(facts.signed))
    if samples > 1:
        found["00280006"] = _short(0)
    return found


def _lossy(ratio: float, target: str) -> DicomJson:
    return {
        "00282110": {"vr": "CS", "Value": ["01"]},
        "00282112": {"vr": "DS", "Value": [round(ratio, 2)]},
        "00282114": {"vr": "CS", "Value": [_LOSSY_METHODS[target]]},
    }


def _short(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}
