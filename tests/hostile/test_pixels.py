"""Images that lie about their pixels, looked at in every way: a clear answer in good time, and nobody harmed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from tests import corpus
from tests.hostile.speaking import connect, get
from tests.journeys.asking import store
from tests.journeys.server import RunningServer

ROOT = "/dicomweb"
SECONDS = 20.0
CT, RGB, PALETTE = "generated/ts/ct_evle.dcm", "generated/ts/rgb_evle.dcm", "generated/mod/sc_palette_8bit_lut.dcm"
STATE, JPEG, RLE = "generated/mod/pr_gsps.dcm", "generated/ts/rgb_jpeg_ybr422.dcm", "generated/ts/ct_rle.dcm"


def palette_out_of_range(ds: Dataset) -> None:
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [2, 65535, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", b"\0\1\0\2")


def palette_without_end(ds: Dataset) -> None:
    """Each segment says: the segments from the start on, 65535 times."""
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [0, 0, 16])
        del ds[f"{colour}PaletteColorLookupTableData"]
        loop = np.array([0, 1, 7, 2, 65535, 0, 0], "<u2").tobytes()
        setattr(ds, f"Segmented{colour}PaletteColorLookupTableData", loop)


def palette_missing(ds: Dataset) -> None:
    for colour in ("Red", "Green", "Blue"):
        del ds[f"{colour}PaletteColorLookupTableData"]


def lut(first: int, entries: int, data: bytes) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [entries, first, 16])
    item.add_new(0x00283006, "OW", data)
    return item


def voi_lut_too_short(ds: Dataset) -> None:
    ds.VOILUTSequence = [lut(-32768, 4096, b"\1\2")]


def modality_lut_far_off(ds: Dataset) -> None:
    ds.ModalityLUTSequence = [lut(65535, 0, b"\1\2\3\4")]


def numbers_that_overflow(ds: Dataset) -> None:
    ds.RescaleSlope, ds.RescaleIntercept = "1e308", "-1e308"
    ds.WindowCenter, ds.WindowWidth = "1e308", "1e-308"


def giant(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 65535
    ds.NumberOfFrames = 1_000_000


def giant_and_compressed(ds: Dataset) -> None:
    giant(ds)
    ds.PixelData = encapsulate([ds.PixelData[16:-8]])


def many_frames(ds: Dataset) -> None:
    ds.NumberOfFrames = 2_147_483_647


def larger_than_said(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 3


def smaller_than_said(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 4000


def cells_that_are_none(ds: Dataset) -> None:
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 65535, 65534


def overlay_of_a_planet(ds: Dataset) -> None:
    ds.add_new(0x60000010, "US", 65535)
    ds.add_new(0x60000011, "US", 65535)
    ds.add_new(0x60000050, "SS", [-32768, 32767])
    ds.add_new(0x60001001, "CS", "L1")
    ds.add_new(0x60003000, "OB", b"\xff" * 64)


def graphics_without_end(ds: Dataset) -> None:
    graphic = ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    graphic.GraphicData = [1e38, -1e38] * 5000
    graphic.GraphicType = "INTERPOLATED"
    ds.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue = "x" * 10_000
    ds.DisplayedAreaSelectionSequence[0].DisplayedAreaTopLeftHandCorner = [-(2**31), -(2**31)]
    ds.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner = [2**31 - 1, 2**31 - 1]
    ds.ShutterShape, ds.CenterOfCircularShutter = "CIRCULAR", [2**31 - 1, 2**31 - 1]
    ds.RadiusOfCircularShutter = 2**31 - 1


def frames_of_nobody(ds: Dataset) -> None:
    ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedFrameNumber = [2**31 - 1, 0, -5]


LIES: dict[str, tuple[str, Callable[[Dataset], None], set[int]]] = {
    "a palette index out of range": (PALETTE, palette_out_of_range, {200}),
    "a palette that repeats itself": (PALETTE, palette_without_end, {200, 406}),
    "a palette without entries": (PALETTE, palette_missing, {200, 406}),
    "a VOI LUT shorter than it says": (CT, voi_lut_too_short, {200}),
    "a modality LUT of other values": (CT, modality_lut_far_off, {200}),
    "numbers that overflow": (CT, numbers_that_overflow, {200}),
    "65535 x 65535 x 1,000,000": (CT, giant, {404, 406}),
    "65535 x 65535 x 1,000,000 in RLE": (RLE, giant_and_compressed, {404, 406}),
    "2,147,483,647 frames": (RGB, many_frames, {200, 404, 406}),
    "more pixels than said": (RGB, larger_than_said, {200}),
    "fewer pixels than said": (RGB, smaller_than_said, {404, 406}),
    "a JPEG that is smaller than said": (JPEG, smaller_than_said, {200, 406}),
    "65535 bits in 16": (CT, cells_that_are_none, {200, 406}),
    "an overlay of 65535 x 65535": (CT, overlay_of_a_planet, {200}),
    "a state with an overlay of 65535 x 65535": (STATE, overlay_of_a_planet, {200, 406}),
    "a state with graphics without end": (STATE, graphics_without_end, {200, 406}),
    "a state of frames that are not there": (STATE, frames_of_nobody, {200, 406}),
}


def changed(name: str, change: Callable[[Dataset], None], number: int) -> pydicom.FileDataset:
    ds = pydicom.dcmread(corpus.path(name))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.660{number}"
    change(ds)
    return ds


@pytest.mark.parametrize("lie", LIES)
def test_it_is_shown_or_refused(target: RunningServer, lie: str) -> None:
    name, change, statuses = LIES[lie]
    ds = changed(name, change, list(LIES).index(lie))
    buffer = io.BytesIO()
    with pydicom.config.disable_value_validation():
        ds.save_as(buffer)
    files: list[Any] = [buffer.getvalue(), *([corpus.path(CT)] if name == STATE else [])]
    with target.client() as client:
        assert store(client, files).status_code in (200, 202)
    instance = f"{ROOT}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    by_uid = (
        f"{ROOT}/wado?requestType=WADO&studyUID={ds.StudyInstanceUID}"
        f"&seriesUID={ds.SeriesInstanceUID}&objectUID={ds.SOPInstanceUID}"
    )
    for path, allowed in {
        f"{instance}/rendered?accept=image/png": statuses,
        f"{instance}/rendered?accept=image/gif": statuses | {406},
        f"{instance}/frames/1/rendered": statuses | {404},
        f"{instance}/thumbnail": {200},
        f"{instance}/thumbnail?viewport=300,300": {200},
        f"{by_uid}&contentType=image/jpeg": statuses | {406},
        f"{by_uid}&contentType=application/dicom": {200, 406},
        f"{instance}/frames/1": {200, 404, 406},
    }.items():
        began = time.monotonic()
        answer = get(target, path, b"Accept: */*")
        assert answer.status in allowed, (path.rpartition("/")[2], answer.status, answer.reason[:200])
        assert answer.status < 400 or len(answer.reason) > 10
        assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("query", ["viewport=1000000000,1000000000", "viewport=16384,16384", "viewport=1e9,1e9"])
def test_a_picture_as_large_as_a_house(target: RunningServer, query: str) -> None:
    with target.client() as client:
        assert store(client, [corpus.path(CT)]).status_code in (200, 202)
    ds = pydicom.dcmread(corpus.path(CT), stop_before_pixels=True)
    instance = f"{ROOT}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    for path in (
        f"{instance}/rendered?{query}",
        f"{instance}/thumbnail?{query}",
        f"{instance}/rendered?{query},0,0,1,1",
    ):
        answer = get(target, path, b"Accept: image/png")
        assert (answer.status, bool(answer.reason)) == (400, True)
    by_uid = f"studyUID={ds.StudyInstanceUID}&seriesUID={ds.SeriesInstanceUID}&objectUID={ds.SOPInstanceUID}"
    assert get(target, f"{ROOT}/wado?requestType=WADO&{by_uid}&rows=1000000000").status == 400


def test_twenty_million_frames_of_one_pixel(target: RunningServer) -> None:
    """Whatever shows all of them is cut off by its reader; nobody writes them all out beforehand."""
    ds = changed(CT, lambda ds: None, 999)
    ds.Rows = ds.Columns = 1
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.NumberOfFrames = 7, 0, 20_000_000
    ds.PixelData = bytes(20_000_000)
    ds["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    with target.client() as client:
        assert store(client, [buffer.getvalue()]).status_code == 200
    series = f"{ROOT}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}"
    instance = f"{series}/instances/{ds.SOPInstanceUID}"
    for path in (f"{instance}/rendered", f"{series}/rendered"):
        began = time.monotonic()
        with connect(target) as peer:
            peer.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                'Accept: multipart/related; type="image/png"\r\n\r\n'.encode()
            )
            heard = peer.recv(65536)
        assert heard.startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < SECONDS
    assert get(target, f"{instance}/rendered", b"Accept: image/jpeg").status == 200
    assert get(target, f"{instance}/rendered", b"Accept: image/gif").status == 406
    assert get(target, f"{instance}/frames/20000000/rendered", b"Accept: image/jpeg").status == 200
    assert get(target, f"{instance}/thumbnail", b"Accept: image/jpeg").status == 200


@pytest.mark.parametrize("path", ["/frames/200000", "/bulkdata/7FE00010", "/pixeldata", "/rendered", ""])
def test_hundreds_of_thousands_of_fragments(target: RunningServer, path: str) -> None:
    """What has a part for each of them begins at once, and ends with its reader."""
    ds = changed(RLE, lambda ds: None, 998)
    ds.NumberOfFrames = 200_000
    ds.PixelData = bytes.fromhex("feff00e000000000") + bytes.fromhex("feff00e0020000000000") * 200_000
    ds["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    ds.save_as(buffer)
    with target.client() as client:
        assert store(client, [buffer.getvalue()]).status_code in (200, 202)
    where = f"{ROOT}/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}{path}"
    for accept in ("*/*", 'multipart/related; type="application/octet-stream"; transfer-syntax=*'):
        began = time.monotonic()
        with connect(target) as peer:
            peer.sendall(f"GET {where} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
            heard = peer.recv(65536)
        assert heard[9:12] in (b"200", b"406")
        assert time.monotonic() - began < SECONDS
