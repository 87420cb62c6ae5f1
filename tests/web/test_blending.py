"""Two images blended by a presentation state (R-15, PS3.4 N.2.4); expected values by numpy from known pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests import corpus
from tests.web.retrieving import Door, door, instance_path, parts
from tests.web.states import GREY, item, shown, state

CT = "generated/ts/ct_evle.dcm"
BLENDING = "1.2.840.10008.5.1.4.1.1.11.4"
OPACITY = 0.4
SEED = np.random.default_rng(5)
UNDER, OVER = SEED.integers(0, 1000, (10, 12)), SEED.integers(0, 1000, (5, 6))
NEXT = iter(range(800, 900))


def image(number: int, values: np.ndarray[Any, Any], place: list[float], spacing: float, **more: Any) -> Dataset:
    """An axial image of 2 mm thickness."""
    found = pydicom.dcmread(corpus.path(CT))
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = f"2.25.8100{number}"
    found.Rows, found.Columns = values.shape
    found.PixelRepresentation, found.BitsStored, found.HighBit = 0, 16, 15
    found.PixelData = values.astype("<u2").tobytes()
    found.FrameOfReferenceUID, found.SliceThickness = "2.25.81", 2.0
    found.ImagePositionPatient, found.ImageOrientationPatient = place, [1, 0, 0, 0, 1, 0]
    found.PixelSpacing = [spacing, spacing]
    for keyword, value in more.items():
        setattr(found, keyword, value)
    return found


def take(held: Door, dataset: Dataset) -> str:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return instance_path(held.held.take_bytes(buffer.getvalue()))


LOW, HIGH = image(1, UNDER, [0, 0, 0], 2.0), image(2, UNDER[::-1], [0, 0, 10], 2.0)
NEAR, FAR = image(3, OVER, [1, 1, 0.5], 4.0), image(4, OVER[::-1], [1, 1, 30], 4.0)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("blending"), CT) as found:
        for each in (LOW, HIGH, NEAR, FAR):
            take(found, each)
        yield found


def side(position: str, window: tuple[int, int], images: list[Dataset]) -> Dataset:
    """An item of the Blending Sequence."""
    found, series, voi = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedImageSequence = images[0].SeriesInstanceUID, []
    for each in images:
        named = Dataset()
        named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID = each.SOPClassUID, each.SOPInstanceUID
        series.ReferencedImageSequence.append(named)
    voi.WindowCenter, voi.WindowWidth = window
    found.BlendingPosition, found.StudyInstanceUID = position, images[0].StudyInstanceUID
    found.ReferencedSeriesSequence, found.SoftcopyVOILUTSequence = [series], [voi]
    return found


def blending(held: Door, under: list[Dataset], over: list[Dataset], **more: Any) -> str:
    """Windows of 0 to 1000 and 0 to 800, and a palette from green to red."""
    sets = more.pop("sets", [side("SUPERIMPOSED", (400, 801), over), side("UNDERLYING", (500, 1001), under)])
    palette = Dataset()
    ramp = np.arange(256) * 257
    for place, values in enumerate((ramp, ramp[::-1], ramp * 0), start=1):
        palette.add_new(0x00281100 + place, "US", [256, 0, 16])
        palette.add_new(0x00281200 + place, "OW", values.astype("<u2").tobytes())
    return state(
        held,
        next(NEXT),
        of_class=BLENDING,
        more=palette,
        BlendingSequence=sets,
        RelativeOpacity=OPACITY,
        ReferencedSeriesSequence=[],
        SoftcopyVOILUTSequence=[],
        DisplayedAreaSelectionSequence=[],
        **more,
    )


def grey(values: np.ndarray[Any, Any], center: int, width: int) -> np.ndarray[Any, Any]:
    bright: np.ndarray[Any, Any] = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    return bright


def mixed(under: np.ndarray[Any, Any], above: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """PS3.4 N.2.4.3, for brightness of both."""
    colours = np.stack([above, 1 - above, above * 0], axis=-1)
    found: np.ndarray[Any, Any] = (colours * OPACITY + under[..., None] * (1 - OPACITY)) * 255
    return found


def stretched(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``OVER`` at the pixels of ``UNDER``: 2 mm steps from 0 on, in 4 mm steps from 1 on."""
    by_row = np.array([np.interp(np.arange(12) * 2, np.arange(6) * 4 + 1, row) for row in values])
    return np.array([np.interp(np.arange(10) * 2, np.arange(5) * 4 + 1, column) for column in by_row.T]).T


async def test_the_superimposed_image_lies_where_it_is_in_the_patient(held: Door) -> None:
    found = await shown(held, blending(held, [LOW], [NEAR, FAR]))
    wanted = mixed(grey(UNDER, 500, 1001), stretched(grey(OVER, 400, 801)))
    assert found.shape == (10, 12, 3)
    assert np.abs(found - wanted).max() <= 1.5


async def test_an_underlying_frame_with_nothing_near_it_is_shown_alone(held: Door) -> None:
    found = await shown(held, blending(held, [HIGH], [NEAR, FAR]))
    assert np.abs(found - grey(UNDER[::-1], 500, 1001)[..., None] * 255).max() <= 1


async def test_pixels_outside_of_the_superimposed_image_are_the_underlying_ones(held: Door) -> None:
    small = image(5, OVER[:2, :2], [4, 4, 0], 2.0)
    take(held, small)
    found = await shown(held, blending(held, [LOW], [small]))
    wanted = np.repeat(grey(UNDER, 500, 1001)[..., None] * 255, 3, axis=2)
    wanted[2:4, 2:4] = mixed(grey(UNDER, 500, 1001)[2:4, 2:4], grey(OVER[:2, :2], 400, 801))
    assert np.abs(found - wanted).max() <= 1.5


async def test_images_without_a_place_are_laid_on_each_other(held: Door) -> None:
    plain = [image(6, UNDER, [0, 0, 0], 2.0), image(7, UNDER.T.reshape(10, 12), [0, 0, 0], 2.0)]
    for each in plain:
        del each.FrameOfReferenceUID
        take(held, each)
    found = await shown(held, blending(held, plain[:1], plain[1:]))
    assert np.abs(found - mixed(grey(UNDER, 500, 1001), grey(UNDER.T.reshape(10, 12), 400, 801))).max() <= 1.5


async def test_every_underlying_frame_is_a_part_and_the_blend_is_turned(held: Door) -> None:
    path = blending(held, [HIGH, LOW], [NEAR], ImageRotation=90, ImageHorizontalFlip="N")
    answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
    places = [part.headers["Content-Location"] for part in parts(answer)]
    assert [LOW.SOPInstanceUID in place for place in places] == [True, False]
    one = await shown(held, blending(held, [LOW], [NEAR], ImageRotation=90, ImageHorizontalFlip="N"))
    wanted = np.rot90(mixed(grey(UNDER, 500, 1001), stretched(grey(OVER, 400, 801))), -1)
    assert np.abs(one - wanted).max() <= 1.5


async def test_what_is_not_here_cannot_be_blended(tmp_path: Path) -> None:
    with door(tmp_path, CT) as held:
        take(held, LOW)
        path = blending(held, [LOW], [NEAR])
        assert (await held.get(f"{path}/rendered", "image/png")).status_code == 406
        take(held, NEAR)
        first = await held.get(f"{path}/rendered", "image/png")
        assert first.status_code == 200
        take(held, image(3, OVER * 0, [1, 1, 0.5], 4.0))
        second = await held.get(f"{path}/rendered", "image/png", if_none_match=first.headers["etag"])
        assert second.status_code == 200, "another superimposed image is another picture"


def registration(number: int, matrix: list[float], source: Dataset) -> Dataset:
    """From where ``source`` is to the coordinates of the others."""
    found = pydicom.dcmread(corpus.path(GREY))
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = f"2.25.8200{number}"
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.1"
    found.StudyInstanceUID, found.SeriesInstanceUID = LOW.StudyInstanceUID, "2.25.8299"
    found.Modality, found.FrameOfReferenceUID = "REG", LOW.FrameOfReferenceUID
    halves = [item(FrameOfReferenceTransformationMatrix=step) for step in (SHIFT, matrix)]
    same = item(
        FrameOfReferenceUID=LOW.FrameOfReferenceUID,
        MatrixRegistrationSequence=[moving([item(FrameOfReferenceTransformationMatrix=np.eye(4).ravel().tolist())])],
    )
    other = item(FrameOfReferenceUID=source.FrameOfReferenceUID, MatrixRegistrationSequence=[moving(halves)])
    found.RegistrationSequence = [same, other]
    return found


def moving(matrices: list[Dataset]) -> Dataset:
    for each in matrices:
        each.FrameOfReferenceTransformationMatrixType = "RIGID"
    return item(MatrixSequence=matrices)


SHIFT = [1, 0, 0, -51, 0, 1, 0, -99, 0, 0, 1, 6.5, 0, 0, 0, 1]
TURN = [0, -1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0.5, 0, 0, 0, 1]
"""First the corner of ``TURNED`` to the origin, then a quarter around the z axis and on to where ``NEAR`` is."""
TURNED = image(8, OVER, [51, 99, -6.5], 4.0, FrameOfReferenceUID="2.25.82", ImageOrientationPatient=[0, -1, 0, 1, 0, 0])


async def test_images_of_two_frames_of_reference_meet_by_their_registration(tmp_path: Path) -> None:
    """Matrices are applied in the order of their items (PS3.3 C.20.2.1.1)"""
    with door(tmp_path, CT) as held:
        take(held, LOW)
        take(held, TURNED)
        register = registration(1, TURN, TURNED)
        named = item(ReferencedSOPClassUID=register.SOPClassUID, ReferencedSOPInstanceUID=register.SOPInstanceUID)
        series = item(SeriesInstanceUID=register.SeriesInstanceUID, ReferencedSOPSequence=[named])
        reference = item(StudyInstanceUID=register.StudyInstanceUID, ReferencedSeriesSequence=[series])
        path = blending(held, [LOW], [TURNED], ReferencedSpatialRegistrationSequence=[reference])
        alone = await held.get(f"{path}/rendered", "image/png")
        take(held, register)
        answer = await held.get(f"{path}/rendered", "image/png", if_none_match=alone.headers["etag"])
        assert answer.status_code == 200, "with its registration it is another picture"
        wanted = mixed(grey(UNDER, 500, 1001), stretched(grey(OVER, 400, 801)))
        assert np.abs(await shown(held, path) - wanted).max() <= 1.5


SEGMENTS = np.random.default_rng(6).integers(0, 2, (2, 10, 12))
SEGMENTED = "generated/mod/seg_binary.dcm"


def segmentation() -> Dataset:
    """Two segments of one bit a pixel in the place of ``LOW``, a frame for each."""
    found = pydicom.dcmread(corpus.path(SEGMENTED))
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = "2.25.81009"
    found.StudyInstanceUID, found.FrameOfReferenceUID = LOW.StudyInstanceUID, LOW.FrameOfReferenceUID
    found.NumberOfFrames, found.Rows, found.Columns = SEGMENTS.shape
    found.PixelData = np.packbits(SEGMENTS.ravel(), bitorder="little").tobytes()
    found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [2.0, 2.0]
    found.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[0.0, 0.0, 0.0])],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
        )
        for number in (1, 2)
    ]
    return found


@pytest.mark.parametrize("segment", [1, 2])
async def test_the_segment_that_is_named_is_laid_over(tmp_path: Path, segment: int) -> None:
    """PS3.3 C.11.14.1.1"""
    with door(tmp_path, CT) as held:
        masks = segmentation()
        take(held, LOW)
        take(held, masks)
        above = side("SUPERIMPOSED", (1, 1), [masks])
        above.SoftcopyVOILUTSequence = []
        above.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSegmentNumber = segment
        path = blending(held, [LOW], [masks], sets=[above, side("UNDERLYING", (500, 1001), [LOW])])
        wanted = mixed(grey(UNDER, 500, 1001), SEGMENTS[segment - 1].astype(float))
        assert np.abs(await shown(held, path) - wanted).max() <= 1.5
