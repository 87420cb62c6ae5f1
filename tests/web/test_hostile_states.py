"""Presentation states that are broken or lack what they refer to: a clear status or a sane picture (R-15)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from tests import corpus
from tests.web.retrieving import Door, door, parts
from tests.web.states import item, referring, shown, state
from tests.web.test_compound_graphics import compound, line

CT, CINE = "generated/ts/ct_evle.dcm", "generated/mod/xa_cine_12frames_jpegll.dcm"
NEXT = iter(range(2200, 2400))
NAN, FAR = math.nan, 2**31 - 1


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("hostile"), CT, CINE) as found:
        yield found


def header(name: str) -> Dataset:
    return pydicom.dcmread(corpus.path(name), stop_before_pixels=True)


async def test_what_is_here_is_shown_and_what_is_not_is_warned_of(held: Door) -> None:
    elsewhere = item(SOPClassUID="1.2.3", SOPInstanceUID="2.25.1", SeriesInstanceUID="2.25.2")
    path = state(held, next(NEXT), ReferencedSeriesSequence=referring(header(CT)) + referring(elsewhere))
    answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
    assert (answer.status_code, len(parts(answer))) == (200, 1)
    assert "1 of 2 images" in answer.headers["warning"]
    whole = state(held, next(NEXT), ReferencedSeriesSequence=referring(header(CT)))
    assert "warning" not in (await held.get(f"{whole}/rendered", "image/png")).headers


@pytest.mark.parametrize(("frames", "status", "count"), [([3, 99], 200, 1), ([99], 406, 0), ([0], 406, 0)])
async def test_frames_that_an_image_does_not_have_are_not_replaced_by_all_it_has(
    held: Door, frames: list[int], status: int, count: int
) -> None:
    study = held.keys[CINE].study
    path = state(held, next(NEXT), StudyInstanceUID=study, ReferencedSeriesSequence=referring(header(CINE), *frames))
    answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
    assert answer.status_code == status
    assert count == (len(parts(answer)) if status == 200 else 0)


def graphics(*drawn: Dataset) -> dict[str, Any]:
    layer = item(GraphicLayer="L1", GraphicObjectSequence=list(drawn))
    return {"GraphicAnnotationSequence": [layer], "without_graphics": False}


def compounds(*drawn: Dataset) -> dict[str, Any]:
    layer = item(GraphicLayer="L1", CompoundGraphicSequence=list(drawn))
    return {"GraphicAnnotationSequence": [layer], "without_graphics": False}


def area(first: list[int], last: list[int], **more: Any) -> dict[str, Any]:
    corners = item(DisplayedAreaTopLeftHandCorner=first, DisplayedAreaBottomRightHandCorner=last, **more)
    return {"DisplayedAreaSelectionSequence": [corners]}


def polygon(corners: list[int]) -> dict[str, Any]:
    return {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": corners}


@pytest.mark.parametrize(
    "nothing",
    [
        graphics(line([1.0, 2.0, 3.0])),
        graphics(line([1.0])),
        graphics(line([NAN, 1.0, NAN, 3.0])),
        graphics(item(GraphicType="ELLIPSE", GraphicAnnotationUnits="PIXEL", GraphicData=[NAN] * 8)),
        graphics(item(GraphicType="CIRCLE", GraphicAnnotationUnits="PIXEL", GraphicData=[1.0, 2.0, 3.0])),
        graphics(line([1e30, 1e30, 1e38, 1e30])),
        compounds(compound("MULTILINE", [1.0, 1.0, 100.0])),
        compounds(compound("CROSSHAIR", [NAN, 1.0], GapLength=NAN)),
        area([144, 120], [1, 1]),
        area([0, 0], [0, 0]),
        area([1], [1]),
        area([-FAR, -FAR], [FAR, FAR]),
        area([2**30, 2**30], [FAR, FAR]),
        area([1, 1], [144, 120], PresentationPixelAspectRatio=[0, 1]),
        area([1, 1], [144, 120], PresentationPixelSpacing=[-1, 1]),
        area([1, 1], [144, 120], PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=NAN),
        {"ImageRotation": 45},
        {"ShutterShape": "BITMAP", "ShutterOverlayGroup": 0x10},
        polygon([1, 1, 50]),
        polygon([-FAR, -FAR, -FAR, FAR, FAR, FAR, FAR, -FAR]),
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [60, 70], "RadiusOfCircularShutter": FAR},
        {"MaskSubtractionSequence": [item(MaskOperation="TID", TIDOffset=-32768)], "RecommendedViewingMode": "SUB"},
    ],
)
async def test_what_makes_no_sense_changes_nothing(held: Door, nothing: dict[str, Any]) -> None:
    assert np.array_equal(await shown(held, state(held, next(NEXT), **nothing)), await plain(held))


async def plain(held: Door) -> np.ndarray[Any, Any]:
    return await shown(held, state(held, 2399))


async def test_a_point_that_is_no_number_is_left_out_and_moves_no_other(held: Door) -> None:
    dented = state(held, next(NEXT), **graphics(line([10.5, 50.5, NAN, 3.5, 30.5, 50.5])))
    straight = state(held, next(NEXT), **graphics(line([10.5, 50.5, 30.5, 50.5])))
    assert np.array_equal(await shown(held, dented), await shown(held, straight))


async def test_a_shadow_far_away_is_not_seen(held: Door) -> None:
    """It was an internal error: a library draws no letters so far off."""
    style = item(ShadowStyle="NORMAL", ShadowOffsetX=1e30, ShadowOffsetY=-1e30, ShadowOpacity=1.0)
    bare = item(ShadowStyle="OFF")
    pictures = []
    for each in (style, bare):
        text = item(
            UnformattedTextValue="x",
            BoundingBoxAnnotationUnits="PIXEL",
            BoundingBoxTopLeftHandCorner=[1.0, 1.0],
            BoundingBoxBottomRightHandCorner=[9.0, 9.0],
            TextStyleSequence=[each],
        )
        layer = item(GraphicLayer="L1", TextObjectSequence=[text])
        drawn = state(held, next(NEXT), GraphicAnnotationSequence=[layer], without_graphics=False)
        pictures.append(await shown(held, drawn))
    assert np.array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize(
    "much",
    [
        graphics(*[line([1.0, 2.0, 3.0, 4.0])] * 2001),
        {
            "without_graphics": False,
            "GraphicAnnotationSequence": [
                item(
                    GraphicLayer="L1",
                    TextObjectSequence=[
                        item(
                            UnformattedTextValue="x" * 1000,
                            BoundingBoxAnnotationUnits="PIXEL",
                            BoundingBoxTopLeftHandCorner=[1.0, 1.0],
                            BoundingBoxBottomRightHandCorner=[9.0, 9.0],
                        )
                    ]
                    * 21,
                )
            ],
        },
    ],
    ids=["graphics", "letters"],
)
async def test_more_than_can_be_drawn_is_refused_and_not_drawn_in_part(held: Door, much: dict[str, Any]) -> None:
    answer = await held.get(f"{state(held, next(NEXT), **much)}/rendered", "image/png")
    assert answer.status_code == 406
    assert "on one frame are not drawn" in answer.text
