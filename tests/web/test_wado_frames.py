"""Frames over HTTP, as viewers ask for them and read them (W-30 to W-35, T-05 to T-21, P-01 to P-07, H-20)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from pydicom.encaps import generate_frames

from tests import corpus
from tests.web.retrieving import BASE, STORED_FRAMES, Door, door, parts

ELE = "1.2.840.10008.1.2.1"
NATIVE = [
    "generated/ts/ct_evle.dcm",
    "generated/ts/ct_ivle.dcm",
    "generated/ts/ct_evbe.dcm",
    "generated/ts/ct_deflated.dcm",
]
COMPRESSED = [
    "generated/ts/ct_rle.dcm",
    "generated/ts/ct_jls_lossless.dcm",
    "generated/ts/ct_j2k_lossless_s16.dcm",
    "generated/ts/ct_htj2k_lossless.dcm",
    "generated/ts/ct_jpeg_lossless_sv1.dcm",
    "generated/ts/rgb_jpeg_ybr422.dcm",
]
CINE = "generated/mod/xa_cine_12frames_jpegll.dcm"
BITS = "generated/mod/sc_1bit_nonaligned.dcm"
SEGMENTS = "generated/mod/seg_binary.dcm"
FLOATS = "generated/mod/parametric_map_float.dcm"
VIDEO = "generated/mod/video_mpeg4_avc.dcm"
REPORT = "generated/mod/sr_comprehensive.dcm"
JLS, RLE, EVLE = COMPRESSED[1], COMPRESSED[0], NATIVE[0]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    names = [*NATIVE, *COMPRESSED, CINE, BITS, SEGMENTS, FLOATS, VIDEO, REPORT]
    with door(tmp_path_factory.mktemp("frames"), *names) as opened:
        yield opened


def stored_frames(name: str) -> list[bytes]:
    """The frames as pydicom takes them from the file."""
    dataset = pydicom.dcmread(corpus.path(name))
    count = int(dataset.get("NumberOfFrames", 1))
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return list(generate_frames(dataset.PixelData, number_of_frames=count))
    raw = next(dataset[tag].value for tag in (0x7FE00010, 0x7FE00008) if tag in dataset)
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    frames = [raw[n * size : (n + 1) * size] for n in range(count)]
    if not dataset.file_meta.TransferSyntaxUID.is_little_endian:
        return [dataset.pixel_array.astype("<i2").tobytes()]
    return frames


@pytest.mark.parametrize("name", [*NATIVE, *COMPRESSED])
async def test_a_viewer_gets_the_stored_frame_labelled_as_it_needs(held: Door, name: str) -> None:
    answer = await held.get(held.at(name) + "/frames/1", STORED_FRAMES)
    assert answer.status_code == 200
    (part,) = parts(answer)
    stored = pydicom.dcmread(corpus.path(name), stop_before_pixels=True).file_meta.TransferSyntaxUID
    syntax = stored if stored.is_encapsulated else ELE
    assert part.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={syntax}"
    assert part.headers["Content-Location"] == f"{BASE}{held.at(name)}/frames/1"
    assert answer.headers["content-type"].startswith(
        f'multipart/related; type="application/octet-stream"; transfer-syntax={syntax}; boundary='
    )
    assert part.body == stored_frames(name)[0]


async def test_the_head_of_a_part_fits_what_the_javascript_client_reads(held: Door) -> None:
    answer = await held.get(held.at(EVLE) + "/frames/1", STORED_FRAMES)
    assert answer.content.index(b"\r\n\r\n") < 1000


async def test_several_frames_come_in_the_order_asked_for(held: Door) -> None:
    answer = await held.get(held.at(CINE) + "/frames/3,1%2C12", STORED_FRAMES)
    found = parts(answer)
    frames = stored_frames(CINE)
    assert [part.body for part in found] == [frames[2], frames[0], frames[11]]
    locations = [part.headers["Content-Location"].rpartition("/")[2] for part in found]
    assert locations == ["3", "1", "12"]


async def test_frames_of_single_bits_start_at_bit_0(held: Door) -> None:
    dataset = pydicom.dcmread(corpus.path(BITS))
    count, size = int(dataset.get("NumberOfFrames", 1)), dataset.Rows * dataset.Columns
    bits = "".join(f"{byte:08b}"[::-1] for byte in dataset.PixelData)
    for number in range(1, count + 1):
        (part,) = parts(await held.get(held.at(BITS) + f"/frames/{number}", STORED_FRAMES))
        mine = bits[(number - 1) * size : number * size]
        padded = mine + "0" * (-size % 8)
        assert part.body == bytes(int(padded[n : n + 8][::-1], 2) for n in range(0, len(padded), 8))


async def test_float_pixels_have_frames_too(held: Door) -> None:
    (part,) = parts(await held.get(held.at(FLOATS) + "/frames/1", STORED_FRAMES))
    dataset = pydicom.dcmread(corpus.path(FLOATS))
    assert part.body == dataset.FloatPixelData[: dataset.Rows * dataset.Columns * 4]


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 400), ("-1", 400), ("1,", 400), ("x", 400), ("1,0", 400), ("13", 404), ("1,13", 404), ("99999999999", 400)],
)
async def test_frames_that_do_not_exist_are_refused_as_a_whole(held: Door, frames: str, status: int) -> None:
    assert (await held.get(held.at(CINE) + f"/frames/{frames}", STORED_FRAMES)).status_code == status


async def test_a_report_has_no_frames(held: Door) -> None:
    assert (await held.get(held.at(REPORT) + "/frames/1", STORED_FRAMES)).status_code == 404


async def test_an_instance_is_found_below_its_own_series_only(held: Door) -> None:
    own, other = held.keys[EVLE], held.keys[CINE]
    path = f"/studies/{other.study}/series/{other.series}/instances/{own.instance}/frames/1"
    assert (await held.get(path, STORED_FRAMES)).status_code == 404


async def test_a_video_has_no_frames_but_pixel_data(held: Door) -> None:
    assert (await held.get(held.at(VIDEO) + "/frames/1", STORED_FRAMES)).status_code == 406


@pytest.mark.parametrize("accept", ["image/jls", "application/octet-stream; transfer-syntax=*"])
async def test_one_frame_comes_bare_to_who_asks_for_it(held: Door, accept: str) -> None:
    answer = await held.get(held.at(JLS) + "/frames/1", accept)
    kind = accept.partition(";")[0]
    assert answer.headers["content-type"] == f"{kind}; transfer-syntax=1.2.840.10008.1.2.4.80"
    assert answer.content == stored_frames(JLS)[0]


async def test_the_accept_parameter_goes_before_the_header(held: Door) -> None:
    answer = await held.get(held.at(JLS) + "/frames/1?accept=image%2Fjls", "text/html")
    assert answer.headers["content-type"].startswith("image/jls;")
    assert (await held.get(held.at(JLS) + "/frames/1?accept=image/*", "*/*")).status_code == 400


async def test_what_no_one_can_give_is_not_acceptable_and_says_what_there_is(held: Door) -> None:
    answer = await held.get(held.at(JLS) + "/frames/1", "image/png, application/json")
    assert answer.status_code == 406
    assert any("1.2.840.10008.1.2.4.80" in each for each in answer.json()["available"])


async def test_the_headers_of_a_frame(held: Door) -> None:
    answer = await held.get(held.at(EVLE) + "/frames/1", STORED_FRAMES, accept_encoding="gzip")
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert {"Accept", "Accept-Encoding", "Origin"} <= set(answer.headers["vary"].split(", "))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"].startswith("private")
    assert "content-encoding" not in answer.headers


async def test_head_has_the_same_headers_and_no_body(held: Door) -> None:
    path = held.at(EVLE) + "/frames/1"
    whole, head = await held.get(path, STORED_FRAMES), await held.get(path, STORED_FRAMES, method="HEAD")
    assert head.status_code == 200 and head.content == b""
    for name in ("content-type", "content-length", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


async def test_a_known_frame_is_not_sent_again(held: Door) -> None:
    path = held.at(EVLE) + "/frames/1"
    etag = (await held.get(path, STORED_FRAMES)).headers["etag"]
    again = await held.get(path, STORED_FRAMES, if_none_match=f'"other", W/{etag}')
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == etag


async def test_each_representation_has_its_own_etag(held: Door) -> None:
    path = held.at(JLS) + "/frames/1"
    accepts = [
        STORED_FRAMES,
        "image/jls",
        "application/octet-stream; transfer-syntax=*",
        'multipart/related; type="image/jls"',
    ]
    assert len({(await held.get(path, accept)).headers["etag"] for accept in accepts}) == 4


@pytest.mark.parametrize("accept", [STORED_FRAMES, "application/octet-stream; transfer-syntax=*"])
@pytest.mark.parametrize("name", [EVLE, RLE])
async def test_chunks_put_together_are_the_whole(held: Door, name: str, accept: str) -> None:
    path = held.at(name) + "/frames/1"
    whole = await held.get(path, accept)
    total, joined = len(whole.content), b""
    for start in range(0, total, 10_000):
        chunk = await held.get(path, accept, range=f"bytes={start}-{start + 9_999}", if_range=whole.headers["etag"])
        assert chunk.status_code == 206
        end = min(start + 10_000, total)
        assert chunk.headers["content-range"] == f"bytes {start}-{end - 1}/{total}"
        assert int(chunk.headers["content-length"]) == end - start
        joined += chunk.content
    assert joined == whole.content


@pytest.mark.parametrize(
    ("range", "status", "reach"),
    [
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("bytes=9-3", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
    ],
)
async def test_ranges(held: Door, range: str, status: int, reach: slice) -> None:
    path, accept = held.at(EVLE) + "/frames/1", "application/octet-stream"
    whole = (await held.get(path, accept)).content
    answer = await held.get(path, accept, range=range)
    assert (answer.status_code, answer.content) == (status, whole[reach])
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"


async def test_a_range_of_what_changed_meanwhile_is_the_whole(held: Door) -> None:
    answer = await held.get(held.at(EVLE) + "/frames/1", STORED_FRAMES, range="bytes=0-9", if_range='"older"')
    assert answer.status_code == 200


async def test_a_replaced_instance_is_served_anew_and_a_deleted_one_not(held: Door) -> None:
    """In another process than the one that serves, so through the catalog."""
    dataset = pydicom.dcmread(corpus.path(EVLE))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.77"
    key = held.held.take_bytes(written(dataset))
    path = f"/studies/{key.study}/series/{key.series}/instances/{key.instance}"
    before = await held.get(path, "application/dicom")
    dataset.PixelData = dataset.PixelData[::-1]
    held.held.take_bytes(written(dataset))
    after = await held.get(path, "application/dicom")
    assert before.headers["etag"] != after.headers["etag"]
    assert pydicom.dcmread(BytesIO(after.content)).PixelData == dataset.PixelData
    held.held.catalog.holdings.delete(key, reason="test")
    assert (await held.get(path, "application/dicom")).status_code == 410


def written(dataset: pydicom.Dataset) -> bytes:
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()
