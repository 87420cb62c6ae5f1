"""What is decoded at a fraction of its size is what decoding it whole and shrinking it would give."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.pixels.reduced import reduced_jpeg_2000
from dicomweb_server.dicom.syntaxes import JPEG_2000_LOSSLESS
from dicomweb_server.model.errors import Undecodable

ROWS, COLUMNS = 256, 192
LOW, HIGH = 0.1, 0.9
"""Of the range of the cells."""


def ramp(bits: int, *, signed: bool = False) -> NDArray[Any]:
    """From left to right, and a little down."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    bright = LOW + (HIGH - LOW) * (x + y / 4) / (COLUMNS + ROWS / 4)
    values = np.rint(bright * ((1 << bits) - 1)).astype(np.int32) - ((1 << bits - 1) if signed else 0)
    cells: NDArray[Any] = values.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    return cells


def means(cells: NDArray[Any], side: int) -> NDArray[Any]:
    rows, columns, *rest = cells.shape
    found: NDArray[Any] = cells.reshape(rows // side, side, columns // side, side, *rest).mean(axis=(1, 3))
    return found


def facts_of(cells: NDArray[Any], bits: int) -> ImageFacts:
    return ImageFacts(
        transfer_syntax=JPEG_2000_LOSSLESS,
        rows=ROWS,
        columns=COLUMNS,
        samples=cells.shape[2] if cells.ndim == 3 else 1,
        bits_allocated=cells.dtype.itemsize * 8,
        bits_stored=bits,
        high_bit=bits - 1,
        signed=cells.dtype.kind == "i",
        photometric="YBR_RCT" if cells.ndim == 3 else "MONOCHROME2",
    )


def encoded(cells: NDArray[Any], bits: int) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(cells, codecformat="j2k", reversible=True, bitspersample=bits, mct=cells.ndim == 3)
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [6, 8, 10, 12, 16])
def test_grey_of_any_depth_keeps_its_values(bits: int, signed: bool) -> None:
    cells = ramp(bits, signed=signed)
    found = reduced_jpeg_2000(encoded(cells, bits), facts_of(cells, bits), 64)
    assert found is not None
    assert (found.cells.shape, found.cells.dtype) == ((64, 48), cells.dtype)
    assert np.abs(found.cells - means(cells, 4)).max() <= 2 + (1 << bits) // 40


def test_colour_comes_out_as_rgb() -> None:
    grey = ramp(8)
    cells = np.stack([grey, grey[::-1], 255 - grey], axis=-1)
    found = reduced_jpeg_2000(encoded(cells, 8), facts_of(cells, 8), 100)
    assert found is not None
    assert (found.cells.shape, found.photometric) == ((128, 96, 3), "RGB")
    assert np.abs(found.cells - means(cells, 2)).max() <= 6


@pytest.mark.parametrize("side", [129, 256, 1000])
def test_what_is_hardly_larger_is_decoded_whole(side: int) -> None:
    cells = ramp(12)
    assert reduced_jpeg_2000(encoded(cells, 12), facts_of(cells, 12), side) is None


def test_what_breaks_off_is_refused_and_without_its_end_decoded_whole() -> None:
    cells = ramp(12)
    data = encoded(cells, 12)
    with pytest.raises(Undecodable):
        reduced_jpeg_2000(data[:-40], facts_of(cells, 12), 64)
    assert reduced_jpeg_2000(data[:-2], facts_of(cells, 12), 64) is None
