"""Frames that are legal, or common in the field, and yet unlike the usual: what comes out is what was put in."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.colour import as_rgb
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.pixels.encode import ENCODERS
from dicomweb_server.dicom.pixels.facts import ImageFacts, image_facts
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.transcode import transcode
from dicomweb_server.model.errors import Undecodable

ROWS, COLUMNS = 37, 52
COLOUR: NDArray[np.uint8] = np.random.default_rng(4).integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)
GREY: NDArray[np.uint16] = np.random.default_rng(5).integers(0, 4096, (ROWS, COLUMNS)).astype(np.uint16)
NO_TRANSFORM = {
    syntaxes.JPEG_2000_LOSSLESS: imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True, mct=False),
    syntaxes.HTJ2K_LOSSLESS: imagecodecs.htj2k_encode(COLOUR, reversible=True, rgb=False),
}


def facts(syntax: str, photometric: str = "MONOCHROME2", bits: int = 8, *, signed: bool = False) -> ImageFacts:
    return ImageFacts(
        transfer_syntax=syntax,
        rows=ROWS,
        columns=COLUMNS,
        samples=1 if photometric == "MONOCHROME2" else 3,
        bits_allocated=bits,
        bits_stored=bits,
        high_bit=bits - 1,
        signed=signed,
        photometric=photometric,
    )


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("syntax", sorted(NO_TRANSFORM))
def test_colour_without_a_transform_in_jpeg_2000_is_what_the_data_set_calls_it(syntax: str, photometric: str) -> None:
    found = decode(bytes(NO_TRANSFORM[syntax]), facts(syntax, photometric))
    assert np.array_equal(found.cells, COLOUR)
    assert found.photometric == photometric


def test_what_jpeg_2000_transforms_is_rgb_whatever_the_data_set_calls_it() -> None:
    stream = imagecodecs.jpeg2k_encode(COLOUR, codecformat="j2k", reversible=True)
    found = decode(bytes(stream), facts(syntaxes.JPEG_2000_LOSSLESS, "YBR_FULL"))
    assert np.array_equal(found.cells, COLOUR)
    assert found.photometric == "RGB"


@pytest.mark.parametrize("target", sorted({*ENCODERS} - {syntaxes.JPEG_BASELINE}))
def test_ybr_comes_back_as_ybr_and_is_never_transformed_once_more(target: str) -> None:
    source = facts(EXPLICIT_LE, "YBR_FULL")
    there = transcode(COLOUR.tobytes(), source, target, quality=100)
    back = transcode(there.data, image_facts(Attributes({**SIZE, **there.attributes}), target), EXPLICIT_LE)
    if "00282110" in there.attributes:  # lossy: turned into RGB before
        assert back.attributes["00280004"]["Value"] == ["RGB"]
    else:
        assert there.attributes["00280004"]["Value"] == back.attributes["00280004"]["Value"] == ["YBR_FULL"]
        assert back.data == COLOUR.tobytes()


SIZE = {"00280010": {"vr": "US", "Value": [ROWS]}, "00280011": {"vr": "US", "Value": [COLUMNS]}}


def test_native_pixels_that_are_called_422_but_are_whole_are_read_whole() -> None:
    found = decode(COLOUR.tobytes(), facts(EXPLICIT_LE, "YBR_FULL_422"))
    assert np.array_equal(found.cells, COLOUR)
    assert found.photometric == "YBR_FULL"


@pytest.mark.parametrize("syntax", [syntaxes.RLE, syntaxes.JPEG_LS])
def test_what_is_decompressed_is_no_longer_called_422(syntax: str) -> None:
    data = transcode(COLOUR.tobytes(), facts(EXPLICIT_LE, "RGB"), syntax).data
    assert decode(data, facts(syntax, "YBR_FULL_422")).photometric == "YBR_FULL"


def test_partial_range_is_stretched_on_the_way_to_rgb() -> None:
    """Black, white, and pure red of ITU-R BT.601 in 8 bits: 16 128 128, 235 128 128, 81 90 240."""
    one = ImageFacts(
        transfer_syntax=EXPLICIT_LE,
        rows=3,
        columns=2,
        samples=3,
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        photometric="YBR_PARTIAL_422",
    )
    data = bytes([16, 16, 128, 128, 235, 235, 128, 128, 81, 81, 90, 240])
    found = as_rgb(decode(data, one))
    assert found.photometric == "RGB"
    wanted = [[0, 0, 0], [255, 255, 255], [254, 0, 0]]
    assert np.abs(found.cells[:, 0].astype(int) - wanted).max() <= 1
    assert transcode(data, one, syntaxes.JPEG_LS).attributes["00280004"]["Value"] == ["RGB"]


def test_values_wider_than_their_cells_are_refused_and_not_cut_off() -> None:
    stream = imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True, bitspersample=12)
    with pytest.raises(Undecodable, match="12 bits"):
        decode(bytes(stream), facts(syntaxes.JPEG_2000_LOSSLESS))


def test_the_sign_in_a_jpeg_2000_stream_counts_more_than_the_data_set() -> None:
    values = GREY.astype(np.int16) - 2048
    stream = imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True)
    unsigned = facts(syntaxes.JPEG_2000_LOSSLESS, bits=16)
    assert np.array_equal(decode(bytes(stream), unsigned).cells, values)
    plain = transcode(bytes(stream), unsigned, EXPLICIT_LE)
    assert plain.attributes["00280103"]["Value"] == [1]
    assert plain.data == values.astype("<i2").tobytes()


@pytest.mark.parametrize("form", [-15, 15])
def test_a_deflated_frame_may_have_the_header_that_it_should_not_have(form: int) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    data = packer.compress(GREY.tobytes()) + packer.flush()
    assert np.array_equal(decode(data, facts(syntaxes.DEFLATED_FRAME, bits=16)).cells, GREY)


@pytest.mark.parametrize("length", [2400, 2300])
def test_a_jpeg_ls_frame_that_is_cut_off_is_refused_at_once(length: int) -> None:
    """It took seven seconds to find that out for 37 x 52 pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)
    stream = bytes(imagecodecs.jpegls_encode(noise))
    began = time.process_time()
    with pytest.raises(Undecodable):
        decode(stream[:length], facts(syntaxes.JPEG_LS))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("stored", "high"), [(0, 0), (0, 65535), (17, 16), (65535, 3)])
def test_impossible_bits_stored_count_as_those_allocated(stored: int, high: int) -> None:
    said = {
        **SIZE,
        "00280100": {"vr": "US", "Value": [16]},
        "00280101": {"vr": "US", "Value": [stored]},
        "00280102": {"vr": "US", "Value": [high]},
    }
    made = transcode(GREY.tobytes(), image_facts(Attributes(said), EXPLICIT_LE), syntaxes.JPEG_2000)
    assert made.attributes["00280101"]["Value"] == [16]
    assert made.attributes["00280102"]["Value"] == [15]


@pytest.mark.parametrize("junk", [False, True])
@pytest.mark.parametrize(
    ("target", "place"), [(syntaxes.JPEG_LOSSLESS_SV1, b"\xff\xc3\x00\x0b"), (syntaxes.JPEG_2000_LOSSLESS, b"")]
)
def test_a_codestream_has_the_bits_that_are_stored_unless_others_are_set(
    target: str, place: bytes, *, junk: bool
) -> None:
    """Bits Stored and the precision of the stream then agree, as PS3.5 8.2 wants it."""
    cells = GREY | np.uint16(0x8000) if junk else GREY
    source = replace(facts(EXPLICIT_LE, bits=16), bits_stored=12, high_bit=11)
    stream = transcode(cells.tobytes(), source, target).data
    precision = stream[stream.index(place) + 4] if place else (stream[42] & 0x7F) + 1
    assert precision == (16 if junk else 12)
    back = replace(source, transfer_syntax=target)
    assert np.array_equal(decode(stream, back).cells, cells)


WHOLE = {
    syntaxes.JPEG_2000_LOSSLESS: bytes(imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", reversible=True)),
    syntaxes.HTJ2K_LOSSLESS: bytes(imagecodecs.htj2k_encode(GREY, reversible=True)),
}


@pytest.mark.parametrize("syntax", sorted(WHOLE))
def test_a_jpeg_2000_frame_may_lack_its_end_marker_but_nothing_else(syntax: str) -> None:
    """A lossless HTJ2K frame that was cut off came out with cells that nobody had measured."""
    stream, said = WHOLE[syntax], facts(syntax, bits=16)
    assert stream.endswith(b"\xff\xd9")
    assert np.array_equal(decode(stream[:-2], said).cells, GREY)
    for length in (len(stream) - 3, len(stream) - 40, len(stream) // 2):
        with pytest.raises(Undecodable):
            decode(stream[:length], said)


def test_a_lossless_jpeg_frame_that_is_cut_off_is_refused() -> None:
    stream = bytes(imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1, bitspersample=12))
    said = facts(syntaxes.JPEG_LOSSLESS_SV1, bits=16)
    assert np.array_equal(decode(stream, said).cells, GREY)
    with pytest.raises(Undecodable, match="breaks off"):
        decode(stream[: len(stream) // 2], said)
