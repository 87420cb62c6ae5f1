"""Angiography as a presentation state subtracts it (R-15, PS3.3 C.7.6.10); expected values by numpy from the frames."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from tests import corpus
from tests.web.retrieving import Door, door, instance_path
from tests.web.states import item, referring, shown, state, table

XA = "generated/mod/xa_cine_12frames_jpegll.dcm"
XA_STATE = "1.2.840.10008.5.1.4.1.1.11.5"
FRAMES = np.random.default_rng(7).integers(0, 1000, (6, 9, 12)).astype(np.int64)


@pytest.fixture(scope="module")
def cine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, Dataset]]:
    """The corpus's cine with frames whose values are known."""
    image = pydicom.dcmread(corpus.path(XA))
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = "2.25.640001"
    image.NumberOfFrames, image.Rows, image.Columns = FRAMES.shape
    image.FrameTimeVector = [0.0] + [66.7] * (len(FRAMES) - 1)
    del image.PixelData
    image.PixelData = FRAMES.astype("<u2").tobytes()
    image["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    image.save_as(buffer)
    with door(tmp_path_factory.mktemp("cine"), XA) as held:
        instance_path(held.held.take_bytes(buffer.getvalue()))
        yield held, image


def windowed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Center 0, width 2001: y = (x - (c - 0.5)) / (w - 1) + 0.5 (PS3.3 C.11.2.1.2.1)."""
    bright: np.ndarray[Any, Any] = np.clip((values + 0.5) / 2000 + 0.5, 0, 1) * 255
    return bright


WINDOW = item(WindowCenter=0, WindowWidth=2001)
NEXT = iter(range(600, 700))


async def seen(
    cine: tuple[Door, Dataset], frame: int, mask: Dataset, **more: Any
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What is shown of a frame, and the frame's own values."""
    held, image = cine
    wanted: dict[str, Any] = {
        "ReferencedSeriesSequence": referring(image, frame),
        "SoftcopyVOILUTSequence": [WINDOW],
        "PresentationLUTShape": "IDENTITY",
        "DisplayedAreaSelectionSequence": [],
        "MaskSubtractionSequence": [mask],
        "RecommendedViewingMode": "SUB",
    }
    path = state(held, next(NEXT), **(wanted | more))
    return await shown(held, path), FRAMES[frame - 1]


async def test_the_mean_of_the_mask_frames_is_subtracted(cine: tuple[Door, Dataset]) -> None:
    found, own = await seen(cine, 4, item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1, 2], ContrastFrameAveraging=1))
    assert np.abs(found - windowed(own - (FRAMES[0] + FRAMES[1]) / 2)).max() <= 1


async def test_contrast_frames_are_averaged_first(cine: tuple[Door, Dataset]) -> None:
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ContrastFrameAveraging=2)
    found, own = await seen(cine, 4, mask)
    assert np.abs(found - windowed((own + FRAMES[4]) / 2 - FRAMES[0])).max() <= 1
    last, own = await seen(cine, 6, mask)
    assert np.abs(last - windowed(own)).max() <= 1, "there is no frame after the last to average it with"


@pytest.mark.parametrize(("offset", "mask"), [(1, 3), (3, 1), (-2, 6)])
async def test_a_time_interval_takes_the_frame_so_much_before(
    cine: tuple[Door, Dataset], offset: int, mask: int
) -> None:
    found, own = await seen(cine, 4, item(MaskOperation="TID", TIDOffset=offset))
    assert np.abs(found - windowed(own - FRAMES[mask - 1])).max() <= 1


async def test_a_frame_whose_mask_would_be_before_the_first_is_shown_as_it_is(cine: tuple[Door, Dataset]) -> None:
    found, own = await seen(cine, 2, item(MaskOperation="TID", TIDOffset=2))
    assert np.abs(found - windowed(own)).max() <= 1


async def test_the_mask_is_moved_by_parts_of_a_pixel(cine: tuple[Door, Dataset]) -> None:
    """Half a row down: the mean of two rows; one column to the right."""
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], MaskSubPixelShift=[0.5, 1.0])
    found, own = await seen(cine, 3, mask)
    moved = (FRAMES[0][1:, :-1] + FRAMES[0][:-1, :-1]) / 2
    assert np.abs(found[1:, 1:] - windowed(own[1:, 1:] - moved)).max() <= 1


@pytest.mark.parametrize(("visible", "part"), [(0, 1.0), (25, 0.75), (100, 0.0)])
async def test_angiography_states_let_a_part_of_the_mask_be_seen(
    cine: tuple[Door, Dataset], visible: float, part: float
) -> None:
    display = item(StartTrim=1, StopTrim=6, RecommendedViewingMode="SUB", MaskVisibilityPercentage=visible)
    found, own = await seen(
        cine,
        5,
        item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ApplicableFrameRange=[3, 6]),
        of_class=XA_STATE,
        MultiFramePresentationSequence=[item(FrameDisplaySequence=[display])],
    )
    assert np.abs(found - windowed(own - FRAMES[0] * part)).max() <= 1


@pytest.mark.parametrize(
    ("mode", "ranges"), [("NAT", [1, 6]), ("SUB", [1, 3])], ids=["native is asked for", "for other frames"]
)
async def test_frames_that_are_not_to_be_subtracted_stay(
    cine: tuple[Door, Dataset], mode: str, ranges: list[int]
) -> None:
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ApplicableFrameRange=ranges)
    found, own = await seen(cine, 4, mask, RecommendedViewingMode=mode)
    assert np.abs(found - windowed(own)).max() <= 1


async def test_a_shutter_of_angiography_is_that_of_its_frames(cine: tuple[Door, Dataset]) -> None:
    """PS3.3 C.11.20"""
    shutter = item(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=3,
        ShutterRightVerticalEdge=12,
        ShutterUpperHorizontalEdge=1,
        ShutterLowerHorizontalEdge=9,
        ShutterPresentationValue=0x2000,
    )
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    found, own = await seen(cine, 4, mask, of_class=XA_STATE, FrameDisplayShutterSequence=[shutter])
    assert (found[:, :2] == 0x20).all()
    assert np.abs(found[:, 2:] - windowed(own - FRAMES[0])[:, 2:]).max() <= 1


@pytest.mark.parametrize("in_mask", [False, True])
async def test_what_is_subtracted_is_logarithmic_to_the_intensity(cine: tuple[Door, Dataset], in_mask: bool) -> None:
    """Each frame by its own table, the mask's too (PS3.4 N.2.5), wherever in the module they stand"""
    logs = np.rint(np.log2(np.arange(1000) + 1) * 100)
    tables = [table(logs, 0, 12), table(logs[::-1], 0, 12)]
    for lut, frames in zip(tables, ([1, 2, 5, 6], [3, 4]), strict=True):
        lut.LUTFrameRange, lut.LUTFunction = frames, "TO_LOG"
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    if in_mask:
        mask.PixelIntensityRelationshipLUTSequence = tables
    beside = {} if in_mask else {"PixelIntensityRelationshipLUTSequence": tables}
    found, own = await seen(cine, 4, mask, of_class=XA_STATE, **beside)
    assert np.abs(found - windowed(logs[::-1][own] - logs[FRAMES[0]])).max() <= 1


async def test_regions_of_a_frame_have_masks_that_are_shifted_by_themselves(cine: tuple[Door, Dataset]) -> None:
    """Rows 2 to 5 of columns 3 to 8 one to the right, of those 4 to 5 of columns 3 to 4 one down (C.11.19.1.2)"""
    regions = [
        item(VerticesOfTheRegion=[2, 3, 5, 8], MaskSubPixelShift=[0.0, 1.0]),
        item(VerticesOfTheRegion=[4, 3, 5, 4], MaskSubPixelShift=[1.0, 0.0]),
    ]
    shifts = [
        item(PixelShiftFrameRange=[1, 3], RegionPixelShiftSequence=[item(MaskSubPixelShift=[2.0, 2.0])]),
        item(PixelShiftFrameRange=[4, 6], RegionPixelShiftSequence=regions),
    ]
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], PixelShiftSequence=shifts)
    found, own = await seen(cine, 4, mask, of_class=XA_STATE)
    moved = FRAMES[0].copy()
    moved[1:5, 2:8] = FRAMES[0][1:5, 1:7]
    moved[3:5, 2:4] = FRAMES[0][2:4, 2:4]
    assert np.abs(found - windowed(own - moved)).max() <= 1


async def test_differences_without_a_window_have_their_zero_in_the_middle(cine: tuple[Door, Dataset]) -> None:
    """Of 12 bits: from -4095 to 4095, whatever the frame holds"""
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    found, own = await seen(cine, 4, mask, SoftcopyVOILUTSequence=[])
    bits = cine[1].BitsStored
    assert np.abs(found - (own - FRAMES[0] + 2**bits - 1) / (2 ** (bits + 1) - 2) * 255).max() <= 1
