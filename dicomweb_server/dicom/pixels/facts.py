"""What the data set says about its pixels, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.model.errors import Undecodable

MAX_FRAME_SIZE = 512 << 20
"""Bytes of one decoded frame. A whole mammogram has 30 MB, the largest slide tiles a few."""

_SAMPLES = {1, 3, 4}
_BITS = {1, 8, 16, 32, 64}


class Element(Enum):
    """Which element holds the pixels."""

    INTEGER = "7FE00010"
    FLOAT = "7FE00008"
    DOUBLE = "7FE00009"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """The Image Pixel module of one instance."""

    transfer_syntax: str
    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    high_bit: int = 15
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: bool = False
    element: Element = Element.INTEGER

    @property
    def pixels(self) -> int:
        return self.rows * self.columns

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def cell(self) -> np.dtype[np.generic]:
        """One cell as decoded: little endian, BitsAllocated wide; 1-bit pixels take a byte."""
        if self.element is Element.FLOAT:
            return np.dtype("<f4")
        if self.element is Element.DOUBLE:
            return np.dtype("<f8")
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(self.bits_allocated // 8, 1)}")

    @property
    def frame_size(self) -> int:
        """Bytes of one native frame, as PS3.18 8.7.3.3.1 serves it (T-07, T-08)."""
        return (self.pixels * self.samples * self.cell_bits + 7) // 8

    @property
    def cell_bits(self) -> int:
        return self.bits_allocated if self.element is Element.INTEGER else self.cell.itemsize * 8

    @property
    def subsampled(self) -> bool:
        """Native 4:2:2 keeps two bytes a pixel: Y Y Cb Cr (PS3.3 C.7.6.3.1.2)."""
        return self.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"} and self.samples == 3


def image_facts(attributes: Attributes, transfer_syntax: str) -> ImageFacts:
    """The facts of an image. Raises Undecodable where they cannot describe one of a bearable size."""
    element = next((e for e in (Element.FLOAT, Element.DOUBLE) if e.value in attributes), Element.INTEGER)
    if Element.INTEGER.value in attributes:
        element = Element.INTEGER
    bits = attributes.whole("00280100", 0)
    stored = _within(attributes.whole("00280101", bits), 1, bits) or bits
    facts = ImageFacts(
        transfer_syntax=transfer_syntax,
        rows=attributes.whole("00280010", 0),
        columns=attributes.whole("00280011", 0),
        samples=attributes.whole("00280002", 1),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=_within(attributes.whole("00280102", stored - 1), stored - 1, bits - 1) or stored - 1,
        signed=attributes.whole("00280103", 0) == 1,
        photometric=attributes.text("00280004").upper() or "MONOCHROME2",
        planar=attributes.whole("00280006", 0) == 1,
        element=element,
    )
    return _checked(facts)


def _within(value: int, least: int, most: int) -> int | None:
    return value if least <= value <= most else None


def _checked(facts: ImageFacts) -> ImageFacts:
    if facts.rows < 1 or facts.columns < 1:
        raise Undecodable(f"an image of {facts.rows} rows and {facts.columns} columns")
    if facts.samples not in _SAMPLES:
        raise Undecodable(f"{facts.samples} samples per pixel")
    if facts.element is Element.INTEGER and facts.bits_allocated not in _BITS:
        raise Undecodable(f"{facts.bits_allocated} bits allocated")
    if facts.pixels * facts.samples * facts.cell.itemsize > MAX_FRAME_SIZE:
        raise Undecodable(
            f"a frame of {facts.rows} x {facts.columns} x {facts.samples} is larger than this server decodes"
        )
    return facts
