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
from tests.web.states import referring, shown, state

XA = "generated/mod/xa_cine_12frames_jpegll.dcm"
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


def masked(**values: Any) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def windowed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Center 0, width 2001: y = (x - (c - 0.5)) / (w - 1) + 0.5 (PS3.3 C.11.2.1.2.1)."""
    bright: np.ndarray[Any, Any] = np.clip((values + 0.5) / 2000 + 0.5, 0, 1) * 255
    return bright


WINDOW = masked(WindowCenter=0, WindowWidth=2001)
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
    found, own = await seen(cine, 4, masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1, 2], ContrastFrameAveraging=1))
    assert np.abs(found - windowed(own - (FRAMES[0] + FRAMES[1]) / 2)).max() <= 1


async def test_contrast_frames_are_averaged_first(cine: tuple[Door, Dataset]) -> None:
    mask = masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ContrastFrameAveraging=2)
    found, own = await seen(cine, 4, mask)
    assert np.abs(found - windowed((own + FRAMES[4]) / 2 - FRAMES[0])).max() <= 1
    last, own = await seen(cine, 6, mask)
    assert np.abs(last - windowed(own)).max() <= 1, "there is no frame after the last to average it with"


@pytest.mark.parametrize(("offset", "mask"), [(1, 3), (3, 1), (-2, 6)])
async def test_a_time_interval_takes_the_frame_so_much_before(
    cine: tuple[Door, Dataset], offset: int, mask: int
) -> None:
    found, own = await seen(cine, 4, masked(MaskOperation="TID", TIDOffset=offset))
    assert np.abs(found - windowed(own - FRAMES[mask - 1])).max() <= 1


async def test_a_frame_whose_mask_would_be_before_the_first_is_shown_as_it_is(cine: tuple[Door, Dataset]) -> None:
    found, own = await seen(cine, 2, masked(MaskOperation="TID", TIDOffset=2))
    assert np.abs(found - windowed(own)).max() <= 1


async def test_the_mask_is_moved_by_parts_of_a_pixel(cine: tuple[Door, Dataset]) -> None:
    """Half a row down: the mean of two rows; one column to the right."""
    mask = masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], MaskSubPixelShift=[0.5, 1.0])
    found, own = await seen(cine, 3, mask)
    moved = (FRAMES[0][1:, :-1] + FRAMES[0][:-1, :-1]) / 2
    assert np.abs(found[1:, 1:] - windowed(own[1:, 1:] - moved)).max() <= 1


@pytest.mark.parametrize(("visible", "part"), [(0, 1.0), (25, 0.75), (100, 0.0)])
async def test_angiography_states_let_a_part_of_the_mask_be_seen(
    cine: tuple[Door, Dataset], visible: float, part: float
) -> None:
    display = masked(StartTrim=1, StopTrim=6, RecommendedViewingMode="SUB", MaskVisibilityPercentage=visible)
    found, own = await seen(
        cine,
        5,
        masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ApplicableFrameRange=[3, 6]),
        of_class="1.2.840.10008.5.1.4.1.1.11.5",
        MultiFramePresentationSequence=[masked(FrameDisplaySequence=[display])],
    )
    assert np.abs(found - windowed(own - FRAMES[0] * part)).max() <= 1


@pytest.mark.parametrize(
    ("mode", "ranges"), [("NAT", [1, 6]), ("SUB", [1, 3])], ids=["native is asked for", "for other frames"]
)
async def test_frames_that_are_not_to_be_subtracted_stay(
    cine: tuple[Door, Dataset], mode: str, ranges: list[int]
) -> None:
    mask = masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1], ApplicableFrameRange=ranges)
    found, own = await seen(cine, 4, mask, RecommendedViewingMode=mode)
    assert np.abs(found - windowed(own)).max() <= 1


async def test_a_shutter_of_angiography_is_that_of_its_frames(cine: tuple[Door, Dataset]) -> None:
    """PS3.3 C.11.20"""
    shutter = masked(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=3,
        ShutterRightVerticalEdge=12,
        ShutterUpperHorizontalEdge=1,
        ShutterLowerHorizontalEdge=9,
        ShutterPresentationValue=0x2000,
    )
    mask = masked(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    found, own = await seen(
        cine, 4, mask, of_class="1.2.840.10008.5.1.4.1.1.11.5", FrameDisplayShutterSequence=[shutter]
    )
    assert (found[:, :2] == 0x20).all()
    assert np.abs(found[:, 2:] - windowed(own - FRAMES[0])[:, 2:]).max() <= 1
