"""A Part 10 file from metadata and bulk parts, as STOW-RS brings them apart (S-03 to S-07; PS3.18 10.5)."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicomweb_server.dicom.stills import decode, describe
from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.model.records import DicomJson

ELE = "1.2.840.10008.1.2.1"
PIXEL_DATA = "7FE00010"

SYNTAX_OF = {
    "image/jpeg": "1.2.840.10008.1.2.4.50",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/x-jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/x-dicom-rle": "1.2.840.10008.1.2.5",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/h265": "1.2.840.10008.1.2.4.107",
}
"""What a bulk part without a transfer-syntax parameter is stored as. ``image/jpeg`` is read from its codestream."""

STILLS = frozenset({"image/png", "image/gif"})
BULK_LIMIT = 1 << 30
"""Bytes of a bulk value that is no pixel data; those are held in memory."""


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part of the request that carries bulk data, staged on disk."""

    media_type: str
    transfer_syntax: str | None
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size


Bulk = Mapping[str, Sequence[BulkPart]]
"""Parts by the reference that metadata makes to them, in the order they came: one for each frame, or one for all."""


def build(metadata: DicomJson, bulk: Bulk, head: bytes, out: BinaryIO, *, syntax: str) -> None:
    """Write ``head`` (preamble and group 2 naming ``syntax``) and the data set to ``out``.

    ``metadata`` is normalised (``dicom.jsoninput``). Even padding is restored (S-07), pixel data is copied through.
    Raises BadRequest when a reference has no part, or parts do not fit.
    """
    out.write(head)
    before = {tag: element for tag, element in metadata.items() if tag < PIXEL_DATA and not tag.startswith("0002")}
    before["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    out.write(_encoded(dict(sorted(described(metadata, bulk, before).items())), bulk))
    if PIXEL_DATA in metadata:
        _write_pixels(metadata[PIXEL_DATA], bulk, out)
    out.write(_encoded({tag: element for tag, element in metadata.items() if tag > PIXEL_DATA}, bulk))


def syntax_of(metadata: DicomJson, bulk: Bulk) -> str:
    """The transfer syntax of the file to be: named by the pixel part, else by its media type, else ELE (S-04)."""
    parts = _pixel_parts(metadata, bulk)
    if not parts:
        return ELE
    first = parts[0]
    media_type = first.media_type.lower()
    if any(part.media_type.lower() != media_type for part in parts):
        raise BadRequest("the frames of one instance come in different media types")
    if media_type in STILLS:
        return ELE
    if media_type == "application/octet-stream":
        return first.transfer_syntax or _hinted(metadata)
    if media_type == "image/jpeg" and first.transfer_syntax is None:
        return _jpeg_syntax(first.path)
    syntax = first.transfer_syntax or SYNTAX_OF.get(media_type)
    if syntax is None:
        raise BadRequest(f"pixel data cannot be stored from {media_type}")
    return syntax


def described(metadata: DicomJson, bulk: Bulk, data_set: DicomJson) -> DicomJson:
    """``data_set`` with the Image Pixel attributes that the picture itself tells, where they are missing (S-06)."""
    parts = _pixel_parts(metadata, bulk)
    if not parts:
        return data_set
    media_type = parts[0].media_type.lower()
    if media_type in STILLS:
        told = decode(parts[0].path.read_bytes()).attributes()
        return dict(sorted({**data_set, **_elements(told)}.items()))
    if media_type in _TELLING and "00280010" not in data_set:
        told = describe(parts[0].path.read_bytes())
        if len(parts) > 1:
            told["NumberOfFrames"] = len(parts)
        return dict(sorted({**_elements(told), **data_set}.items()))
    return data_set


_TELLING = {"image/jpeg", "image/jls", "image/jp2", "image/jpx", "image/jph", "image/jphc"}


def _elements(told: Mapping[str, int | str]) -> DicomJson:
    made = Dataset()
    for keyword, value in told.items():
        setattr(made, keyword, value)
    found: DicomJson = made.to_json_dict()
    return found


def _pixel_parts(metadata: DicomJson, bulk: Bulk) -> Sequence[BulkPart]:
    uri = metadata.get(PIXEL_DATA, {}).get("BulkDataURI")
    if uri is None:
        return ()
    if uri not in bulk:
        raise BadRequest("no part of the request has the Content-Location that Pixel Data refers to")
    return bulk[uri]


def _hinted(metadata: DicomJson) -> str:
    """(0002,0010) does not belong into metadata, but where it stands it says what octet-stream means."""
    value = metadata.get("00020010", {}).get("Value") or [ELE]
    return str(value[0])


def _jpeg_syntax(path: Path) -> str:
    """Which JPEG process a codestream follows, by its start-of-frame marker (ISO 10918-1 B.1.1.3)."""
    with path.open("rb") as file:
        content = file.read(1 << 16)
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], struct.unpack_from(">H", content, at + 2)[0]
        if marker in (0xC0, 0xC1, 0xC3):
            return "1.2.840.10008.1.2.4." + {0xC0: "50", 0xC1: "51", 0xC3: "70"}[marker]
        at += 2 + length
    raise BadRequest("the JPEG is neither baseline, extended nor lossless")


_UNENCODABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    OSError,
)
"""What pydicom raises for values that do not fit their VR: OSError where a number is out of range."""


def _encoded(data_set: DicomJson, bulk: Bulk) -> bytes:
    """Explicit VR Little Endian, without pixel data."""

    def value_of(tag: str, vr: str, uri: str) -> Any:
        if uri not in bulk:
            raise BadRequest(f"no part of the request has the Content-Location that attribute {tag} refers to")
        (part, *more) = bulk[uri]
        if more:
            raise BadRequest(f"attribute {tag} refers to more than one part")
        if part.size > BULK_LIMIT:
            raise TooLarge(f"attribute {tag} may have {BULK_LIMIT} bytes")
        return part.path.read_bytes()

    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    try:
        write_dataset(buffer, Dataset.from_json(data_set, value_of))
    except _UNENCODABLE as error:
        raise BadRequest(f"the metadata cannot be encoded: {type(error).__name__}") from None
    return bytes(buffer.getvalue())


def _write_pixels(element: Mapping[str, Any], bulk: Bulk, out: BinaryIO) -> None:
    if "InlineBinary" in element:
        try:
            content = base64.b64decode(element["InlineBinary"])
        except ValueError:
            raise BadRequest("the InlineBinary of Pixel Data is not base64") from None
        _write_native([content], len(content), out)
    elif "BulkDataURI" not in element:
        _write_native([], 0, out)
    else:
        _write_parts(bulk[element["BulkDataURI"]], out)


def _write_parts(parts: Sequence[BulkPart], out: BinaryIO) -> None:
    media_type = parts[0].media_type.lower()
    if media_type in STILLS:
        frames = decode(parts[0].path.read_bytes()).frames
        content = frames.astype(frames.dtype.newbyteorder("<")).tobytes()
        _write_native([content], len(content), out)
    elif media_type == "application/octet-stream" and parts[0].transfer_syntax in (None, ELE):
        _write_native([part.path for part in parts], sum(part.size for part in parts), out)
    else:
        _write_encapsulated(parts, out)


def _write_native(pieces: Sequence[bytes | Path], size: int, out: BinaryIO) -> None:
    if size >= 0xFFFFFFFE:
        raise TooLarge("native pixel data must fit a 32-bit length")
    out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size + size % 2))
    for piece in pieces:
        _copy(piece, out)
    out.write(b"\0" * (size % 2))


def _write_encapsulated(parts: Sequence[BulkPart], out: BinaryIO) -> None:
    """One fragment for each frame, with a basic offset table as long as its offsets fit (PS3.5 A.4)."""
    sizes = [part.size for part in parts]
    padded = [size + size % 2 for size in sizes]
    if max(padded) > 0xFFFFFFFE:
        raise TooLarge("a frame must fit a 32-bit length")
    offsets = [sum(padded[:n]) + 8 * n for n in range(len(parts))] if len(parts) > 1 else []
    if offsets and offsets[-1] > 0xFFFFFFFF:
        offsets = []
    out.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
    out.write(struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(offsets)) + struct.pack(f"<{len(offsets)}I", *offsets))
    for part, size, length in zip(parts, sizes, padded, strict=True):
        out.write(struct.pack("<HHI", 0xFFFE, 0xE000, length))
        _copy(part.path, out)
        out.write(b"\0" * (length - size))
    out.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))


def _copy(piece: bytes | Path, out: BinaryIO) -> None:
    if isinstance(piece, bytes):
        out.write(piece)
        return
    with piece.open("rb") as file:
        while block := file.read(1 << 20):
            out.write(block)
