"""Part 10 files made of metadata and bulk parts (S-03 to S-07), read again by pydicom."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicomweb_server.dicom.build import BulkPart, build, syntax_of
from dicomweb_server.dicom.jsoninput import normalised
from dicomweb_server.dicom.part10 import file_meta
from dicomweb_server.model.errors import BadRequest, TooLarge

SC = "1.2.840.10008.5.1.4.1.1.7"
BASE: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": [SC]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.4"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]},
    "7FE00010": {"vr": "OW", "BulkDataURI": "pixels"},
}
IMAGE: dict[str, Any] = {
    "00280002": {"vr": "US", "Value": [1]},
    "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
    "00280010": {"vr": "US", "Value": [20]},
    "00280011": {"vr": "US", "Value": [30]},
    "00280100": {"vr": "US", "Value": [16]},
    "00280101": {"vr": "US", "Value": [16]},
    "00280102": {"vr": "US", "Value": [15]},
    "00280103": {"vr": "US", "Value": [0]},
}


def pixels(frames: int = 1) -> NDArray[np.uint16]:
    return np.arange(frames * 20 * 30, dtype="<u2").reshape(frames, 20, 30) * 7


def built(tmp_path: Path, metadata: dict[str, Any], *parts: tuple[str, str | None, bytes]) -> pydicom.Dataset:
    staged = []
    for number, (media_type, syntax, content) in enumerate(parts):
        path = tmp_path / str(number)
        path.write_bytes(content)
        staged.append(BulkPart(media_type, syntax, path))
    bulk = {"pixels": staged}
    whole = normalised(metadata)
    syntax = syntax_of(whole, bulk)
    head = file_meta(SC, "1.2.3.4", syntax, source_aet="A", sending_aet="A", receiving_aet="B")
    out = io.BytesIO()
    build(whole, bulk, head, out, syntax=syntax)
    out.seek(0)
    return pydicom.dcmread(out)


def png(image: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def test_an_uncompressed_value_is_one_part(tmp_path: Path) -> None:
    made = built(tmp_path, BASE | IMAGE, ("application/octet-stream", None, pixels().tobytes()))
    assert (made.file_meta.TransferSyntaxUID, made.SpecificCharacterSet) == ("1.2.840.10008.1.2.1", "ISO_IR 192")
    assert str(made.PatientName) == "Müller^Jörg"
    assert np.array_equal(made.pixel_array, pixels()[0])


def test_compressed_frames_come_as_a_part_each(tmp_path: Path) -> None:
    metadata = BASE | IMAGE | {"00280008": {"vr": "IS", "Value": [3]}}
    parts = [("image/jls", None, bytes(imagecodecs.jpegls_encode(frame))) for frame in pixels(3)]
    made = built(tmp_path, metadata, *parts)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    frames = list(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=3))
    assert [np.array_equal(imagecodecs.jpegls_decode(f), p) for f, p in zip(frames, pixels(3), strict=True)] == [
        True
    ] * 3


def test_the_part_names_its_transfer_syntax(tmp_path: Path) -> None:
    encoded = bytes(imagecodecs.jpeg2k_encode(pixels()[0], level=0))
    made = built(tmp_path, BASE | IMAGE, ("image/jp2", "1.2.840.10008.1.2.4.91", encoded))
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.91"


@pytest.mark.parametrize(
    ("shape", "photometric"), [((20, 30), "MONOCHROME2"), ((20, 30, 3), "RGB"), ((20, 30, 4), "RGB")]
)
def test_a_png_is_decoded_and_describes_itself(tmp_path: Path, shape: tuple[int, ...], photometric: str) -> None:
    image = (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)
    if shape[-1] == 4:
        image[..., 3] = 255
    made = built(tmp_path, BASE, ("image/png", None, png(image)))
    assert (made.Rows, made.Columns, made.PhotometricInterpretation) == (20, 30, photometric)
    assert np.array_equal(made.pixel_array, image[..., :3] if len(shape) == 3 else image)


GREY12 = (np.arange(600).reshape(20, 30) * 6).astype(np.uint16)
COLOUR = np.dstack([np.arange(600).reshape(20, 30) % 200] * 3).astype(np.uint8)


@pytest.mark.parametrize(
    ("media_type", "content", "photometric", "bits"),
    [
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR[..., 0].copy()), "MONOCHROME2", (8, 8)),
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR, subsampling="420"), "YBR_FULL_422", (8, 8)),
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR, subsampling="444"), "YBR_FULL", (8, 8)),
        ("image/jpeg", imagecodecs.jpeg8_encode(COLOUR, outcolorspace="RGB"), "RGB", (8, 8)),
        ("image/jls", imagecodecs.jpegls_encode(GREY12), "MONOCHROME2", (16, 16)),
        ("image/jp2", imagecodecs.jpeg2k_encode(GREY12, level=0, bitspersample=12), "MONOCHROME2", (16, 12)),
        ("image/jp2", imagecodecs.jpeg2k_encode(COLOUR, level=0, mct=True, reversible=True), "YBR_RCT", (8, 8)),
        ("image/jp2", imagecodecs.jpeg2k_encode(COLOUR, level=0, mct=False, reversible=True), "RGB", (8, 8)),
        ("image/jp2", imagecodecs.jpeg2k_encode(COLOUR, level=40, mct=True, reversible=False), "YBR_ICT", (8, 8)),
    ],
)
def test_a_compressed_picture_tells_its_colour_space_and_depth(
    tmp_path: Path, media_type: str, content: bytes, photometric: str, bits: tuple[int, int]
) -> None:
    made = built(tmp_path, BASE, (media_type, None, bytes(content)))
    assert (made.Rows, made.Columns, made.PhotometricInterpretation) == (20, 30, photometric)
    assert (made.BitsAllocated, made.BitsStored) == bits


def test_an_animated_gif_becomes_a_multiframe(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    made = built(tmp_path, BASE, ("image/gif", None, out.getvalue()))
    assert made.NumberOfFrames == 3
    assert made.pixel_array[:, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    ("options", "syntax"),
    [({}, "1.2.840.10008.1.2.4.50"), ({"lossless": True}, "1.2.840.10008.1.2.4.70")],
)
def test_a_jpeg_is_kept_and_its_process_read_from_the_codestream(
    tmp_path: Path, options: dict[str, Any], syntax: str
) -> None:
    image = (np.arange(600) % 251).astype(np.uint8).reshape(20, 30)
    encoded = bytes(imagecodecs.jpeg8_encode(image, **options))
    made = built(tmp_path, BASE, ("image/jpeg", None, encoded))
    assert (made.file_meta.TransferSyntaxUID, made.Rows, made.Columns) == (syntax, 20, 30)
    assert next(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=1)).startswith(encoded)


def test_other_bulk_values_go_into_their_place_at_any_depth(tmp_path: Path) -> None:
    item = {"54001010": {"vr": "OW", "BulkDataURI": "pixels"}}
    metadata = {**BASE, "54000100": {"vr": "SQ", "Value": [item]}}
    del metadata["7FE00010"]
    made = built(tmp_path, metadata, ("application/octet-stream", None, b"abcd"))
    assert made.WaveformSequence[0].WaveformData == b"abcd"


@pytest.mark.parametrize(
    ("metadata", "parts", "error"),
    [
        ({"7FE00010": {"vr": "OW", "BulkDataURI": "elsewhere"}}, [("image/jls", None, b"x")], BadRequest),
        ({}, [("image/jls", None, b"x"), ("image/jp2", None, b"y")], BadRequest),
        ({}, [("text/plain", None, b"x")], BadRequest),
        ({}, [("image/png", None, b"no picture")], BadRequest),
        ({"00280010": {"vr": "US", "Value": ["many"]}}, [("image/jls", None, b"x")], BadRequest),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, metadata: dict[str, Any], parts: list[Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        built(tmp_path, BASE | metadata, *parts)


@pytest.mark.parametrize(
    ("given", "element"),
    [
        ({"PatientID": {"Value": ["A"]}}, {"00100020": {"vr": "LO", "Value": ["A"]}}),
        ({"0020000d": {"vr": "UI", "Value": ["1.2"]}}, {"0020000D": {"vr": "UI", "Value": ["1.2"]}}),
        ({"00100020": {"vr": "LO", "Value": [12]}}, {"00100020": {"vr": "LO", "Value": ["12"]}}),
        ({"00100010": {"vr": "PN", "Value": ["A^B"]}}, {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}),
        ({"00100020": {"vr": "LO", "Value": []}}, {"00100020": {"vr": "LO"}}),
        ({"00420011": {"vr": "OB", "InlineBinary": ""}}, {"00420011": {"vr": "OB"}}),
        ({"00080000": {"vr": "UL", "Value": [3]}}, {}),
        ({"00090010": {"Value": ["ACME"]}}, {"00090010": {"vr": "LO", "Value": ["ACME"]}}),
    ],
)
def test_what_clients_send_is_brought_to_form(given: dict[str, Any], element: dict[str, Any]) -> None:
    assert normalised(given) == element


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"NoSuchKeyword": {"vr": "LO"}},
        {"00100020": "A"},
        {"00100020": {"vr": "XX", "Value": ["A"]}},
        {"00100020": {"vr": "LO", "Value": "A"}},
        {"00100020": {"vr": "LO", "Value": [{"a": 1}]}},
        {"00420011": {"vr": "OB", "Value": [1]}},
        {"00100020": {"vr": "LO", "InlineBinary": "YQ=="}},
        {"00420011": {"vr": "OB", "InlineBinary": "YQ==", "BulkDataURI": "x"}},
    ],
)
def test_what_is_no_dicom_json_is_refused(given: Any) -> None:
    with pytest.raises(BadRequest):
        normalised(given)


def test_nesting_of_json_is_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"00081140": {"vr": "SQ", "Value": [deep]}}
    with pytest.raises(TooLarge):
        normalised(deep)
