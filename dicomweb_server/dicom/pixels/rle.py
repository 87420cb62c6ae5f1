"""RLE Lossless: PackBits segments, one for each byte plane, most significant first (PS3.5 annex G)."""

from __future__ import annotations

import struct
from itertools import pairwise

import imagecodecs
import numpy as np

from dicomweb_server.dicom.pixels.arrays import Cells
from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.pixels.native import unpacked
from dicomweb_server.model.errors import Undecodable

_HEADER = struct.Struct("<16I")
_MOST_SEGMENTS = 15


def decode_rle(data: bytes, facts: ImageFacts) -> Cells:
    """The cells of an RLE frame. Raises Undecodable when header and segments do not make up the frame."""
    segments = _segments(data)
    if facts.bits_allocated == 1:
        return _bits(segments, facts)
    width = facts.cell.itemsize
    if len(segments) != width * facts.samples:
        raise Undecodable(f"{len(segments)} RLE segments where {width * facts.samples} are needed")
    cells = np.empty((facts.pixels, facts.samples, width), np.uint8)
    for number, segment in enumerate(segments):
        cells[:, number // width, width - 1 - number % width] = _plane(segment, facts.pixels)
    return cells.view(facts.cell).reshape(facts.shape)


def encode_rle(cells: Cells) -> bytes:
    """One RLE frame of 8-, 16- or 32-bit cells. Raises Undecodable for more than 15 byte planes."""
    rows, columns = cells.shape[:2]
    width = cells.dtype.itemsize
    planes = np.ascontiguousarray(cells, cells.dtype.newbyteorder("<")).view(np.uint8).reshape(rows, columns, -1, width)
    segments = [
        _even(bytes(imagecodecs.packbits_encode(np.ascontiguousarray(planes[:, :, sample, byte]), axis=-1)))
        for sample in range(planes.shape[2])
        for byte in reversed(range(width))
    ]
    if len(segments) > _MOST_SEGMENTS:
        raise Undecodable(f"RLE cannot hold {len(segments)} byte planes")
    offsets = [_HEADER.size]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    header = [len(segments), *offsets]
    return _HEADER.pack(*header, *([0] * (16 - len(header)))) + b"".join(segments)


def _segments(data: bytes) -> list[bytes]:
    if len(data) < _HEADER.size:
        raise Undecodable("the RLE frame is shorter than its header")
    count, *offsets = _HEADER.unpack_from(data)
    if not 1 <= count <= _MOST_SEGMENTS:
        raise Undecodable(f"an RLE header of {count} segments")
    bounds = [*offsets[:count], len(data)]
    if bounds[0] < _HEADER.size or any(a > b for a, b in pairwise(bounds)):
        raise Undecodable("RLE segment offsets outside the frame")
    return [data[a:b] for a, b in pairwise(bounds)]


def _plane(segment: bytes, pixels: int) -> Cells:
    # One byte of PackBits makes at most 64 bytes, so the memory needed is bounded by the segment
    plane = np.frombuffer(_unpacked(segment), np.uint8)
    if plane.size < pixels:
        raise Undecodable(f"an RLE segment makes {plane.size} bytes where {pixels} are needed")
    return plane[:pixels]


def _unpacked(segment: bytes) -> bytes:
    try:
        return bytes(imagecodecs.packbits_decode(segment))
    except imagecodecs.PackbitsError as error:
        raise Undecodable("a broken RLE segment") from error


def _bits(segments: list[bytes], facts: ImageFacts) -> Cells:
    """One-bit frames in RLE are packed, eight pixels a byte, before they are run-length coded."""
    if len(segments) != 1:
        raise Undecodable(f"{len(segments)} RLE segments for a one-bit frame")
    plane = _unpacked(segments[0])
    if len(plane) >= facts.pixels:
        return np.frombuffer(plane, np.uint8, facts.pixels).reshape(facts.shape)
    if len(plane) < facts.frame_size:
        raise Undecodable("an RLE segment shorter than its frame")
    return unpacked(plane, facts)


def _even(segment: bytes) -> bytes:
    return segment + b"\0" if len(segment) % 2 else segment
