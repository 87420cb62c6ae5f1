"""Every frame's stored bytes against extraction by pydicom, and against the hashes other decoders agree on."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import generate_frames

from dicomweb_server.dicom.frames import FrameIndex, NativeFrames
from dicomweb_server.dicom.framing import frame_index
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import NotFound
from tests import corpus
from tests.dicom.reading_files import read_by_pydicom, written

ODD_TABLES = [
    "bot_1frag",
    "bot_3frag",
    "bot_bytes_from_pixeldata",
    "bot_long",
    "bot_mixedfrag",
    "bot_reversed",
    "bot_shifted",
    "bot_short",
    "bot_zero",
    "eot",
    "eot_wrong",
    "no_sequence_delimiter",
    "nobot_1frag",
    "nobot_3frag",
    "nobot_mixedfrag",
    "numberofframes_too_big",
    "trailing_garbage",
    "trailing_padding_elem",
]


def index_of(data: bytes) -> FrameIndex | None:
    file = opened(BytesSource(data))
    found = frame_index(file.walk(), file.stream, file.syntax)
    return None if found is None else FrameIndex.decode(found.encode())


def frames_of(data: bytes) -> list[bytes]:
    index = index_of(data)
    assert index is not None
    stream = opened(BytesSource(data)).stream
    numbers = range(1, index.count + 1)
    return [index.take(n, b"".join(stream.read(span.start, span.length) for span in index.spans(n))) for n in numbers]


VIDEO = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (100, 102, 107))

INCOMPARABLE = frozenset(
    {
        "generated/odd/deflate_bomb.dcm",
        "generated/odd/pixeldata_too_short.dcm",
        "generated/odd/rows_zero.dcm",
        "real/pydicom/SC_ybr_full_422_uncompressed.dcm",
        "real/highdicom/seg_image_sm_dots_tiled_full.dcm",
    }
)
"""Files that are refused, of which nobody or only this server finds a frame, whose chroma all decoders expand, or whose
many frames the corpus has no hash of each for."""

FILES = [name for name in corpus.names("generated/", "real/") if name not in INCOMPARABLE]
WITH_CELLS = [name for name in FILES if corpus.expected()[name].get("frames_sha256")]


def is_encapsulated(data_set: Any) -> bool:
    return "PixelData" in data_set and bool(data_set["PixelData"].is_undefined_length)


def cell_hashes(name: str) -> list[list[str]]:
    """What was put into the file, and what each decoder found in it; some clean unused bits, others do not."""
    facts = corpus.expected()[name]
    lists = [facts["frames_sha256"], corpus.generated().get(name, {}).get("truth")]
    lists += [decoder.get("sha256") for decoder in facts.get("decoders", {}).values()]
    return [hashes for hashes in lists if isinstance(hashes, list)]


@pytest.mark.parametrize("name", WITH_CELLS)
def test_native_frames_have_the_cells_that_other_decoders_find(name: str) -> None:
    data = corpus.file(name)
    data_set = read_by_pydicom(data)
    if is_encapsulated(data_set):
        return
    found = [hashlib.sha256(cells(frame, data_set)).hexdigest() for frame in frames_of(data)]
    assert any(set(hashes) <= set(found) for hashes in cell_hashes(name))


def test_32_bit_cells_in_big_endian_are_turned_whole() -> None:
    """By the letter OW has 16-bit words; files in the field turn the whole cell, and so does pydicom's writer."""
    little = read_by_pydicom(corpus.file("generated/mod/rtdose_5frames_32bit.dcm"))
    cell_values = little.pixel_array
    plain = frames_of(corpus.file("generated/mod/rtdose_5frames_32bit.dcm"))
    little.PixelData = cell_values.astype(">u4").tobytes()
    big = written(little, "1.2.840.10008.1.2.2")
    assert frames_of(big) == plain


def cells(frame: bytes, data_set: Any) -> bytes:
    """As the corpus describes them: one byte for a bit, samples of a pixel together."""
    if data_set.BitsAllocated == 1:
        pixels = data_set.Rows * data_set.Columns
        return bytes(frame[n // 8] >> n % 8 & 1 for n in range(pixels))
    if data_set.get("PlanarConfiguration") == 1 and data_set.SamplesPerPixel == 3:
        size = data_set.BitsAllocated // 8
        plane = len(frame) // 3
        planes = [frame[n * plane : (n + 1) * plane] for n in range(3)]
        return b"".join(p[at : at + size] for at in range(0, plane, size) for p in planes)
    return frame


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("generated/encap/")])
def test_encapsulated_frames_are_those_that_pydicom_takes_apart(name: str) -> None:
    data = corpus.file(name)
    data_set = read_by_pydicom(data)
    if not is_encapsulated(data_set) or data_set.file_meta.TransferSyntaxUID in VIDEO:
        return
    count = int(data_set.get("NumberOfFrames") or 1)
    extended = (
        (data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths)
        if "ExtendedOffsetTable" in data_set
        else None
    )
    expected = list(generate_frames(data_set.PixelData, number_of_frames=count, extended_offsets=extended))
    assert [frame.rstrip(b"\0") for frame in frames_of(data)] == [frame.rstrip(b"\0") for frame in expected]


@pytest.mark.parametrize("table", ODD_TABLES)
def test_frames_are_found_whatever_the_offset_table_says(table: str) -> None:
    plain = frames_of(corpus.file("generated/encap/us_jpeg_bot_1frag.dcm"))
    found = frames_of(corpus.file(f"generated/encap/us_jpeg_{table}.dcm"))
    assert [frame.rstrip(b"\0") for frame in found] == [frame.rstrip(b"\0") for frame in plain]


def test_a_frame_may_be_all_fragments() -> None:
    single = frames_of(corpus.file("generated/encap/us_jpeg_single_4frag_nobot.dcm"))
    assert len(single) == 1
    assert single[0].startswith(b"\xff\xd8") and single[0].rstrip(b"\0").endswith(b"\xff\xd9")


def test_an_empty_fragment_is_an_empty_frame() -> None:
    frames = frames_of(corpus.file("generated/encap/us_jpeg_empty_fragment.dcm"))
    assert len(frames) == 6
    assert [len(frame) for frame in frames].count(0) == 1


def multiframe(fragments: list[bytes], number_of_frames: int | None) -> bytes:
    """A file of these fragments without an offset table."""
    data_set = read_by_pydicom(corpus.file("generated/encap/us_jpeg_bot_1frag.dcm"))
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(each)) + each for each in [b"", *fragments])
    data_set.PixelData = items
    data_set["PixelData"].is_undefined_length = True
    del data_set.NumberOfFrames
    if number_of_frames:
        data_set.NumberOfFrames = number_of_frames
    return written(data_set, data_set.file_meta.TransferSyntaxUID)


def test_empty_fragments_before_each_codestream_are_no_frames() -> None:
    plain = frames_of(corpus.file("generated/encap/us_jpeg_bot_1frag.dcm"))
    fragments = [fragment for frame in plain for fragment in (b"", frame)]
    assert frames_of(multiframe(fragments, len(plain))) == plain


def test_frames_that_nothing_counts_are_told_apart_by_where_they_begin() -> None:
    plain = frames_of(corpus.file("generated/encap/us_jpeg_bot_1frag.dcm"))
    halves = [half for frame in plain for half in (frame[:200], frame[200:])]
    assert frames_of(multiframe(halves, None)) == plain
    assert frames_of(multiframe(halves[:2], None)) == plain[:1]


def test_the_boxes_of_a_jp2_file_are_left_out_of_what_is_served() -> None:
    """T-17, also where the frame lies in two fragments."""
    data_set = read_by_pydicom(corpus.file("generated/ts/rgb_j2k_rct.dcm"))
    cells = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    file = bytes(imagecodecs.jpeg2k_encode(cells, codecformat="jp2", reversible=True))
    stream = file[file.index(b"\xff\x4f\xff\x51") :]
    assert len(file) - len(stream) > 40
    cut = len(file) // 3 // 2 * 2
    for fragments in ([file], [file[:cut], file[cut:]]):
        data_set.PixelData = b"".join(
            struct.pack("<HHI", 0xFFFE, 0xE000, len(each) + len(each) % 2) + each + bytes(len(each) % 2)
            for each in [b"", *fragments]
        )
        data_set["PixelData"].is_undefined_length = True
        opened_file = opened(BytesSource(written(data_set, data_set.file_meta.TransferSyntaxUID)))
        index = frame_index(opened_file.walk(), opened_file.stream, opened_file.syntax, bare=True)
        assert index is not None
        index = FrameIndex.decode(index.encode())
        found = b"".join(opened_file.stream.read(span.start, span.length) for span in index.spans(1))
        assert found[: len(stream)] == stream


def test_of_too_many_frames_those_that_are_declared_are_served() -> None:
    plain = frames_of(corpus.file("generated/encap/us_jpeg_bot_1frag.dcm"))
    assert frames_of(corpus.file("generated/encap/us_jpeg_numberofframes_too_small.dcm")) == plain[:2]


@pytest.mark.parametrize("name", ["video_mpeg2_mpml", "video_mpeg4_avc", "video_hevc"])
def test_a_video_is_one_stream(name: str) -> None:
    data = corpus.file(f"generated/mod/{name}.dcm")
    index = index_of(data)
    assert index is not None and index.video and index.count == 1
    assert frames_of(data) == [next(generate_frames(read_by_pydicom(data).PixelData, number_of_frames=1))]


def test_only_whole_frames_of_cut_off_pixel_data_are_served() -> None:
    index = index_of(corpus.file("malformed/cut_j2k_600.dcm"))
    assert index is not None and index.count == 2
    with pytest.raises(NotFound):
        index.spans(3)


@pytest.mark.parametrize("number", [0, -1, 7])
def test_there_are_no_other_frames(number: int) -> None:
    index = index_of(corpus.file("generated/encap/us_native_rgb.dcm"))
    assert index is not None
    with pytest.raises(NotFound):
        index.spans(number)


def test_the_index_of_native_frames_does_not_grow_with_them() -> None:
    made = [
        NativeFrames(count=count, start=1000, frame_bits=4096, available=512 * count).encode() for count in (1, 100_000)
    ]
    assert len(made[0]) == len(made[1]) < 64


def test_an_instance_without_pixel_data_has_no_index() -> None:
    assert index_of(corpus.file("generated/mod/rtplan.dcm")) is None
