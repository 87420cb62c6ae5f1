"""Several images blended by steps (R-15, PS3.3 C.11.33, PS3.4 N.2.6); expected values by numpy from known pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.web.retrieving import Door, door, parts
from tests.web.states import item, referring, shown, state
from tests.web.test_blending import CT, LOW, NEAR, OVER, UNDER, grey, image, stretched, take

ADVANCED = "1.2.840.10008.5.1.4.1.1.11.8"
NEXT = iter(range(2400, 2500))
THIRD = np.arange(120).reshape(10, 12) * 8
SAME_PLACE = image(11, THIRD, [0, 0, 0], 2.0, SeriesInstanceUID="2.25.8111")
SAME_PLACE.add_new("PixelPaddingValue", "US", 0)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("advanced"), CT) as found:
        for each in (LOW, NEAR, SAME_PLACE):
            take(found, each)
        yield found


def blended(number: int, image: Dataset, window: tuple[int, int], **more: Any) -> Dataset:
    """An item of the Advanced Blending Sequence."""
    (series,) = referring(image)
    return item(
        BlendingInputNumber=number,
        StudyInstanceUID=image.StudyInstanceUID,
        SeriesInstanceUID=image.SeriesInstanceUID,
        ReferencedImageSequence=series.ReferencedImageSequence,
        SoftcopyVOILUTSequence=[item(WindowCenter=window[0], WindowWidth=window[1])],
        **more,
    )


def first() -> Dataset:
    return blended(1, LOW, (500, 1001), GeometryForDisplay="TRUE")


def second(**more: Any) -> Dataset:
    """From green to red."""
    found = blended(2, NEAR, (400, 801), GeometryForDisplay="FALSE", **more)
    ramp = np.arange(256) * 257
    for place, values in enumerate((ramp, ramp[::-1], ramp * 0), start=1):
        found.add_new(0x00281100 + place, "US", [256, 0, 16])
        found.add_new(0x00281200 + place, "OW", values.astype("<u2").tobytes())
    return found


def third() -> Dataset:
    return blended(3, SAME_PLACE, (480, 961))


def step(mode: str, *numbers: int, result: int | None = None, **more: Any) -> Dataset:
    found = item(
        BlendingMode=mode, BlendingDisplayInputSequence=[item(BlendingInputNumber=each) for each in numbers], **more
    )
    if result is not None:
        found.BlendingInputNumber = result
    return found


def path(held: Door, inputs: list[Dataset], steps: list[Dataset]) -> str:
    return state(
        held,
        next(NEXT),
        of_class=ADVANCED,
        AdvancedBlendingSequence=inputs,
        BlendingDisplaySequence=steps,
        ReferencedSeriesSequence=[],
        SoftcopyVOILUTSequence=[],
        DisplayedAreaSelectionSequence=[],
    )


GREY = np.repeat(grey(UNDER, 500, 1001)[..., None], 3, axis=2)
RED = stretched(grey(OVER, 400, 801))
COLOURS = np.stack([RED, 1 - RED, RED * 0], axis=-1)
RAMP = np.repeat(grey(THIRD, 480, 961)[..., None], 3, axis=2)


async def test_the_foreground_has_its_opacity(held: Door) -> None:
    found = await shown(held, path(held, [first(), second()], [step("FOREGROUND", 2, 1, RelativeOpacity=0.3)]))
    assert np.abs(found - (COLOURS * 0.3 + GREY * 0.7) * 255).max() <= 1.5


async def test_equals_are_averaged_and_results_of_steps_go_on(held: Door) -> None:
    """The third has a pixel of padding, which counts for nothing"""
    steps = [step("FOREGROUND", 2, 10, RelativeOpacity=0.5), step("EQUAL", 1, 3, result=10)]
    found = await shown(held, path(held, [first(), second(), third()], steps))
    mean = (GREY + RAMP) / 2
    mean[0, 0] = GREY[0, 0]
    assert np.abs(found - (COLOURS + mean) / 2 * 255).max() <= 1.5


@pytest.mark.parametrize(
    ("kind", "values", "visible"),
    [
        ("GREATER_OR_EQUAL", [400], THIRD >= 400),
        ("GREATER_THAN", [400], THIRD > 400),
        ("LESS_OR_EQUAL", [400], (THIRD <= 400) & (THIRD > 0)),
        ("LESS_THAN", [400], (THIRD < 400) & (THIRD > 0)),
        ("RANGE_INCL", [600, 400], (THIRD >= 400) & (THIRD <= 600)),
        ("RANGE_EXCL", [400, 600], ((THIRD < 400) | (THIRD > 600)) & (THIRD > 0)),
    ],
)
async def test_only_what_passes_a_threshold_is_blended(
    held: Door, kind: str, values: list[int], visible: np.ndarray[Any, Any]
) -> None:
    """0 is padding in any case"""
    limits = item(ThresholdType=kind, ThresholdValueSequence=[item(ThresholdValue=float(each)) for each in values])
    over = third()
    over.ThresholdSequence = [limits]
    found = await shown(held, path(held, [first(), over], [step("FOREGROUND", 3, 1, RelativeOpacity=1.0)]))
    assert np.abs(found - np.where(visible[..., None], RAMP, GREY) * 255).max() <= 1.5


async def test_an_input_without_images_is_its_whole_series(held: Door) -> None:
    """The images of the input whose geometry is displayed are those that are shown"""
    whole = third()
    del whole.ReferencedImageSequence
    whole.GeometryForDisplay, under = "TRUE", first()
    under.GeometryForDisplay = "FALSE"
    target = path(held, [under, whole], [step("EQUAL", 3)])
    answer = await held.get(f"{target}/rendered", 'multipart/related; type="image/png"')
    (part,) = parts(answer)
    assert SAME_PLACE.SOPInstanceUID in part.headers["Content-Location"]
    wanted = RAMP * 255
    wanted[0, 0] = 0
    assert np.abs(await shown(held, target) - wanted).max() <= 1.5


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step("EQUAL", 1, result=10)],
        [step("EQUAL", 10), step("EQUAL", 11, result=10), step("EQUAL", 10, result=11)],
        [step("EQUAL", 99)],
        [step("EQUAL")],
    ],
    ids=["none", "no last", "in a circle", "unknown", "of nothing"],
)
async def test_steps_that_lead_nowhere_are_refused(held: Door, steps: list[Dataset]) -> None:
    target = path(held, [first(), second()], steps)
    assert (await held.get(f"{target}/rendered", "image/png")).status_code == 406
