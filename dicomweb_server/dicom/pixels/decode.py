"""One stored frame to cells, whatever the transfer syntax.

Compressed colour comes out as RGB unless the caller keeps YBR (T-09): JPEG's YCbCr is turned by the JPEG decoder
itself. Where codestream and data set disagree, the codestream governs, except for what it leaves open (T-10).
``docs/pixels.md`` says which decoder is followed where decoders disagree.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import imagecodecs
import numpy as np

from dicomweb_server.dicom.pixels import whole
from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.codestream import Codestream, codestream
from dicomweb_server.dicom.pixels.facts import MAX_FRAME_SIZE, Element, ImageFacts
from dicomweb_server.dicom.pixels.families import Family, family
from dicomweb_server.dicom.pixels.native import from_native, inflated
from dicomweb_server.dicom.pixels.rle import decode_rle
from dicomweb_server.model.errors import Undecodable

_DECODER_ERRORS = (
    imagecodecs.Jpeg8Error,
    imagecodecs.JpeglsError,
    imagecodecs.Jpeg2kError,
    imagecodecs.Htj2kError,
    imagecodecs.JpegxlError,
    RuntimeError,
    ValueError,
)
_THREADS = min(os.cpu_count() or 1, 4)
"""For JPEG 2000, which takes ten times as long as others: no more work in all, and one picture is there sooner."""
_END_OF_IMAGE = b"\xff\xd9"
"""Of JPEG-LS and JPEG 2000 alike. Some writers leave it out, and without it OpenJPEG refuses a whole frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Decoded cells, and how to read them."""

    cells: Cells
    photometric: str


def decode(data: bytes, facts: ImageFacts, *, keep_ybr: bool = False) -> Frame:
    """Decode one frame. Raises Undecodable for whatever is wrong with it.

    ``data`` is the frame as ``FrameIndex.take`` gives it: native pixels little endian already, one-bit ones from bit 0.
    Cells are interleaved and little endian, of BitsAllocated, 1-bit pixels one byte each. Unused high bits of native
    cells stay as stored. ``keep_ybr``: leave JPEG components as they are coded.
    """
    kind = family(facts.transfer_syntax)
    match kind:
        case None:
            raise Undecodable(f"no decoder for transfer syntax {facts.transfer_syntax[:64]}")
        case Family.NATIVE:
            return Frame(from_native(data, facts), _with_own_chroma(facts))
        case Family.DEFLATED_FRAME:
            return Frame(from_native(inflated(data, facts), facts), _with_own_chroma(facts))
        case Family.RLE:
            return Frame(decode_rle(data, facts), _with_own_chroma(facts))
    stream = checked_stream(data, facts, kind)
    try:
        cells, photometric = _decompressed(data, facts, stream, keep_ybr)
    except _DECODER_ERRORS as error:
        raise Undecodable(f"the {kind.name.replace('_', ' ')} frame cannot be decoded") from error
    return Frame(_as_cells(cells, facts, stream), photometric)


def checked_stream(data: bytes, facts: ImageFacts, kind: Family) -> Codestream:
    """The frame's own header, after checking it against the data set."""
    if facts.element is not Element.INTEGER:
        raise Undecodable("compressed float pixels")
    stream = codestream(data)
    if stream is None or stream.family is not kind:
        raise Undecodable("the frame is not encoded as its transfer syntax says")
    if kind is Family.JPEG:
        whole.check_scans(data)
    if kind is Family.JPEG_2000:
        whole.check_tiles(data)
    if stream.rows * stream.columns * (stream.components or facts.samples) * 2 > MAX_FRAME_SIZE:
        raise Undecodable(f"the frame says it is {stream.rows} x {stream.columns}, larger than this server decodes")
    if (stream.rows, stream.columns) != (facts.rows, facts.columns):
        raise Undecodable(
            f"the frame is {stream.rows} x {stream.columns}, its description {facts.rows} x {facts.columns}"
        )
    if stream.components not in {None, facts.samples}:
        raise Undecodable(f"the frame has {stream.components} components, its description {facts.samples}")
    return stream


def _decompressed(data: bytes, facts: ImageFacts, stream: Codestream, keep_ybr: bool) -> tuple[Any, str]:
    match stream.family:
        case Family.JPEG:
            return _jpeg(data, facts, stream, keep_ybr)
        case Family.JPEG_LS:
            # CharLS reads on for seconds behind a stream that is cut off, unless it meets an end
            return imagecodecs.jpegls_decode(data + _END_OF_IMAGE), _with_own_chroma(facts)
        case Family.JPEG_2000:
            return _jpeg_2000(data, stream), _colour_of_jpeg_2000(facts, stream)
        case _:
            return imagecodecs.jpegxl_decode(data, numthreads=1), "RGB" if facts.samples == 3 else facts.photometric


def _jpeg(data: bytes, facts: ImageFacts, stream: Codestream, keep_ybr: bool) -> tuple[Any, str]:
    if facts.samples != 3:
        return whole.jpeg(data, imagecodecs.jpeg8_decode), facts.photometric
    coded = stream.colour or ("YBR" if facts.photometric.startswith("YBR") else "RGB")
    if coded == "RGB":
        return _jpeg_colour(data, "RGB", "RGB"), "RGB"
    if keep_ybr or stream.lossless:
        # The lossless process has no colour transform to undo (T.81 H)
        return _jpeg_colour(data, "YCBCR", "YCBCR"), "YBR_FULL"
    return _jpeg_colour(data, "YCBCR", "RGB"), "RGB"


def _jpeg_colour(data: bytes, coded: str, wanted: str) -> Any:
    return whole.jpeg(data, partial(imagecodecs.jpeg8_decode, colorspace=coded, outcolorspace=wanted))


def _jpeg_2000(data: bytes, stream: Codestream) -> Any:
    # OpenJPH wraps around where irreversible coding overshoots the range; OpenJPEG cuts off, so it takes those
    if stream.high_throughput and stream.lossless:
        with _raising_unraisable():
            return imagecodecs.htj2k_decode(data, planar=False)
    return imagecodecs.jpeg2k_decode(data + _END_OF_IMAGE, numthreads=_THREADS)


def _colour_of_jpeg_2000(facts: ImageFacts, stream: Codestream) -> str:
    """What the codestream transforms comes out as RGB; else YBR is what the data set calls so."""
    if facts.samples != 3 or (stream.colour is None and facts.photometric.startswith("YBR_FULL")):
        return _with_own_chroma(facts)
    return "RGB"


def _with_own_chroma(facts: ImageFacts) -> str:
    """The photometric interpretation of cells that no codec has turned: each has samples of its own by now."""
    return "YBR_FULL" if facts.samples == 3 and facts.photometric == "YBR_FULL_422" else facts.photometric


@contextmanager
def _raising_unraisable() -> Iterator[None]:
    """imagecodecs swallows what OpenJPH throws in the middle of a frame, and returns the frame as far as it came."""
    swallowed: list[sys.UnraisableHookArgs] = []
    hook, sys.unraisablehook = sys.unraisablehook, swallowed.append
    try:
        yield
    finally:
        sys.unraisablehook = hook
    if swallowed:
        raise RuntimeError("the frame breaks off")


def _as_cells(found: Any, facts: ImageFacts, stream: Codestream) -> Cells:
    """The decoder's array as cells of BitsAllocated, its bits as the data set reads them."""
    cells: Cells = np.asarray(found)
    if cells.shape != facts.shape:
        if cells.ndim == 3 and cells.shape[2:] == (1,):
            cells = cells[:, :, 0]
        if cells.shape != facts.shape:
            raise Undecodable(f"the frame decodes to {cells.shape}, its description says {facts.shape}")
    if cells.dtype.kind == "f":
        raise Undecodable("the frame decodes to floating point")
    cell = np.dtype(f"<i{facts.cell.itemsize}") if stream.signed else facts.cell
    if cells.dtype.itemsize > cell.itemsize:
        narrow = cells.astype(cell)
        if not np.array_equal(narrow, cells):
            raise Undecodable(f"the frame has {stream.bits} bits, its description {facts.bits_allocated}")
        return narrow
    if facts.signed and cells.dtype.kind == "u" and stream.bits is not None:
        cells = _sign_extended(cells.astype(cell), min(stream.bits, cell.itemsize * 8))
    return np.ascontiguousarray(cells.astype(cell, copy=False))


def _sign_extended(cells: Cells, bits: int) -> Cells:
    spare = cells.dtype.itemsize * 8 - bits
    return np.right_shift(np.left_shift(cells, spare), spare) if spare else cells
