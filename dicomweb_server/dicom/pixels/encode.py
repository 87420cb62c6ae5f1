"""Cells to one compressed frame, for every transfer syntax this server writes."""

from __future__ import annotations

from collections.abc import Callable
from math import log10

import imagecodecs
import numpy as np

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.decode import Frame
from dicomweb_server.dicom.pixels.facts import Element, ImageFacts
from dicomweb_server.dicom.pixels.rle import encode_rle
from dicomweb_server.model.errors import NotAcceptable

Encoder = Callable[[Frame, ImageFacts, int], bytes]


def encode(frame: Frame, facts: ImageFacts, target: str, quality: int) -> tuple[bytes, str]:
    """The frame's bytes and the photometric interpretation that goes with them.

    Raises NotAcceptable where the target cannot hold such cells.
    """
    if facts.element is not Element.INTEGER:
        raise NotAcceptable("float pixels are always native", available=(syntaxes.EXPLICIT_LE,))
    if frame.photometric == "PALETTE COLOR" and target in _LOSSY:
        raise NotAcceptable("the indexes of a palette stand no loss", available=(syntaxes.EXPLICIT_LE,))
    widest, encoder = ENCODERS[target]
    if facts.cell.itemsize * 8 > widest:
        raise NotAcceptable(f"{target} holds no {facts.bits_allocated}-bit cells", available=(syntaxes.EXPLICIT_LE,))
    try:
        return encoder(frame, facts, quality), _photometric(frame, target)
    except (RuntimeError, ValueError) as error:
        raise NotAcceptable(f"these pixels cannot be written as {target}") from error


def _photometric(frame: Frame, target: str) -> str:
    if frame.cells.ndim != 3 or frame.photometric != "RGB":
        return frame.photometric
    return _COLOURS.get(target, "RGB")


def within_stored_bits(cells: Cells, facts: ImageFacts) -> bool:
    """Whether no cell has bits beside those that count, such as overlays."""
    stored = facts.bits_stored
    if facts.bits_allocated == 1 or facts.element is not Element.INTEGER or stored >= facts.cell_bits:
        return True
    low, high = (-1 << (stored - 1), (1 << (stored - 1)) - 1) if facts.signed else (0, (1 << stored) - 1)
    return facts.high_bit == stored - 1 and low <= int(cells.min()) and int(cells.max()) <= high


def _precision(cells: Cells, facts: ImageFacts) -> int:
    """Bits of the codestream: those that are stored, where that loses none (PS3.5 8.2)."""
    return facts.bits_stored if within_stored_bits(cells, facts) else facts.cell.itemsize * 8


def _unsigned(cells: Cells) -> Cells:
    """The same bits without a sign, which these coders do not know."""
    bare: Cells = cells.view(np.dtype(f"u{cells.dtype.itemsize}"))
    return np.ascontiguousarray(bare)


def _rle(frame: Frame, facts: ImageFacts, _quality: int) -> bytes:
    if facts.bits_allocated == 1:
        packed = np.packbits(frame.cells.reshape(-1) != 0, bitorder="little")
        return encode_rle(packed.reshape(1, -1))
    return encode_rle(frame.cells)


def _jpeg_lossless(frame: Frame, facts: ImageFacts, _quality: int) -> bytes:
    cells = _unsigned(frame.cells)
    # A reader without a sign gets the whole cell, which it need not extend; the process has at least 2 bits
    bits = cells.dtype.itemsize * 8 if facts.signed else max(_precision(cells, facts), 2)
    # Only RGB can say so in the stream: libjpeg-turbo writes broken lossless streams of what it is told is YCbCr
    colour = None if cells.ndim == 2 else "RGB" if frame.photometric == "RGB" else "UNKNOWN"
    return bytes(
        imagecodecs.jpeg8_encode(
            cells, lossless=True, predictor=1, bitspersample=bits, colorspace=colour, outcolorspace=colour
        )
    )


def _jpeg_baseline(frame: Frame, facts: ImageFacts, quality: int) -> bytes:
    if facts.signed:
        raise ValueError("JPEG baseline knows no sign")
    subsampling = "422" if frame.cells.ndim == 3 else None
    return bytes(imagecodecs.jpeg8_encode(frame.cells, quality, subsampling=subsampling))


def _jpeg_ls(frame: Frame, _facts: ImageFacts, _quality: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(_unsigned(frame.cells)))


def _jpeg_ls_near(frame: Frame, facts: ImageFacts, quality: int) -> bytes:
    if facts.signed:
        raise ValueError("near-lossless coding would turn small negative values into large positive ones")
    return bytes(imagecodecs.jpegls_encode(frame.cells, max(1, (100 - quality) // 5)))


def _jpeg_2000_lossless(frame: Frame, facts: ImageFacts, _quality: int) -> bytes:
    return _openjpeg(frame, None, bits=_precision(frame.cells, facts), reversible=True)


def _jpeg_2000(frame: Frame, _facts: ImageFacts, quality: int) -> bytes:
    # OpenJPEG measures the signal to noise ratio against the whole range of the cell; few images fill 16 bits
    cells = frame.cells
    span = max(int(cells.max()) - int(cells.min()), 1)
    level = 25 + quality // 3 + max(0, round(20 * log10(2 ** (8 * cells.dtype.itemsize) / span)))
    return _openjpeg(frame, level, reversible=False)


def _openjpeg(frame: Frame, level: int | None, *, reversible: bool, bits: int | None = None) -> bytes:
    return bytes(
        imagecodecs.jpeg2k_encode(
            frame.cells,
            level,
            codecformat="j2k",
            bitspersample=bits,
            reversible=reversible,
            mct=frame.photometric == "RGB",
            numthreads=1,
        )
    )


def _htj2k_lossless(frame: Frame, _facts: ImageFacts, _quality: int) -> bytes:
    return _openjph(frame, None, reversible=True)


def _htj2k_rpcl(frame: Frame, _facts: ImageFacts, _quality: int) -> bytes:
    """OpenJPH writes RPCL order by itself; the syntax also wants TLM and a lowest level of at most 64 (PS3.5 10.18)."""
    return _openjph(frame, None, reversible=True, tlm=True)


def _htj2k(frame: Frame, _facts: ImageFacts, quality: int) -> bytes:
    return _openjph(frame, 0.00002 * 2 ** ((100 - quality) / 10), reversible=False)


def _openjph(frame: Frame, step: float | None, *, reversible: bool, tlm: bool = False) -> bytes:
    longest = max(frame.cells.shape[:2])
    resolutions = max(6, (longest // 64).bit_length() + 1)
    return bytes(
        imagecodecs.htj2k_encode(
            frame.cells,
            step,
            reversible=reversible,
            rgb=frame.photometric == "RGB",
            tlm=tlm,
            resolutions=resolutions,
        )
    )


ENCODERS: dict[str, tuple[int, Encoder]] = {
    syntaxes.RLE: (32, _rle),
    syntaxes.JPEG_BASELINE: (8, _jpeg_baseline),
    syntaxes.JPEG_LOSSLESS: (16, _jpeg_lossless),
    syntaxes.JPEG_LOSSLESS_SV1: (16, _jpeg_lossless),
    syntaxes.JPEG_LS: (16, _jpeg_ls),
    syntaxes.JPEG_LS_NEAR: (16, _jpeg_ls_near),
    syntaxes.JPEG_2000_LOSSLESS: (16, _jpeg_2000_lossless),
    syntaxes.JPEG_2000: (16, _jpeg_2000),
    syntaxes.HTJ2K_LOSSLESS: (16, _htj2k_lossless),
    syntaxes.HTJ2K_LOSSLESS_RPCL: (16, _htj2k_rpcl),
    syntaxes.HTJ2K: (16, _htj2k),
}
"""The widest cell in bits of each target, and its encoder."""

_LOSSY = {syntaxes.JPEG_BASELINE, syntaxes.JPEG_LS_NEAR, syntaxes.JPEG_2000, syntaxes.HTJ2K}

_COLOURS = {
    syntaxes.JPEG_BASELINE: "YBR_FULL_422",
    syntaxes.JPEG_2000_LOSSLESS: "YBR_RCT",
    syntaxes.JPEG_2000: "YBR_ICT",
    syntaxes.HTJ2K_LOSSLESS: "YBR_RCT",
    syntaxes.HTJ2K_LOSSLESS_RPCL: "YBR_RCT",
    syntaxes.HTJ2K: "YBR_ICT",
}
"""What RGB cells are called once the target has transformed them (PS3.5 8.2)."""
