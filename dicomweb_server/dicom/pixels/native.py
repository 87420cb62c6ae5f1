"""Pixels that are not compressed, or only deflated (PS3.5 8.1.1, A.4.11, A.4.13)."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np

from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.facts import Element, ImageFacts
from dicomweb_server.model.errors import Undecodable


def from_native(data: bytes, facts: ImageFacts) -> Cells:
    """The cells of a native frame, samples interleaved. A 1-bit frame starts at bit 0 of its first byte (T-08)."""
    if facts.subsampled and facts.cell_bits == 8 and len(data) < facts.frame_size:
        return _upsampled(_checked(data, facts.pixels * 2), facts)
    data = _checked(data, facts.frame_size)
    if facts.cell_bits == 1:
        return unpacked(data, facts)
    cells = np.frombuffer(data, facts.cell, facts.pixels * facts.samples)
    if facts.samples > 1 and facts.planar:
        cells = cells.reshape(facts.samples, facts.rows, facts.columns).transpose(1, 2, 0)
    return np.ascontiguousarray(cells.reshape(facts.shape), facts.cell)


def to_native(cells: Cells, *, bits_allocated: int) -> bytes:
    """The frame as Explicit VR Little Endian holds it: unpadded, interleaved, bits packed from bit 0 (T-07, T-08)."""
    if bits_allocated == 1:
        return np.packbits(np.ascontiguousarray(cells).reshape(-1) != 0, bitorder="little").tobytes()
    return np.ascontiguousarray(cells, cells.dtype.newbyteorder("<")).tobytes()


def unpacked(data: bytes, facts: ImageFacts) -> Cells:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=facts.pixels * facts.samples, bitorder="little")
    return bits.reshape(facts.shape)


def inflated(data: bytes, facts: ImageFacts) -> bytes:
    """A deflated frame, raw or with the zlib header that some writers add; never more than the facts allow."""
    for form in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        with suppress(zlib.error):
            return zlib.decompressobj(form).decompress(data, facts.frame_size + 1)
    raise Undecodable("the deflated frame is broken")


def _checked(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise Undecodable(f"the frame has {len(data)} bytes where its description needs {size}")
    return data


def _upsampled(data: bytes, facts: ImageFacts) -> Cells:
    """Y Y Cb Cr to one Cb and Cr for each pixel (PS3.3 C.7.6.3.1.2)."""
    if facts.element is not Element.INTEGER or facts.columns % 2:
        raise Undecodable("4:2:2 pixels with an odd number of columns")
    pairs = np.frombuffer(data, np.uint8, facts.pixels * 2).reshape(facts.rows, facts.columns // 2, 4)
    cells = np.empty((facts.rows, facts.columns, 3), np.uint8)
    cells[:, 0::2, 0] = pairs[..., 0]
    cells[:, 1::2, 0] = pairs[..., 1]
    cells[..., 1] = np.repeat(pairs[..., 2], 2, axis=1)
    cells[..., 2] = np.repeat(pairs[..., 3], 2, axis=1)
    return cells
