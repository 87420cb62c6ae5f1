"""Compound graphics of presentation states (R-15, PS3.3 C.10.5.1.3); where pixels turn white is worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.web.retrieving import Door, door
from tests.web.states import item, shown, state

CT = "generated/ts/ct_evle.dcm"
NEXT = iter(range(700, 800))
FLAT = {"PresentationLUTShape": "IDENTITY"}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("graphics"), CT) as found:
        yield found


def compound(kind: str, points: list[float], **more: Any) -> Dataset:
    units = more.pop("units", "PIXEL")
    return item(
        CompoundGraphicType=kind, CompoundGraphicUnits=units, CompoundGraphicInstanceID=1, GraphicData=points, **more
    )


def line(points: list[float], **more: Any) -> Dataset:
    return item(GraphicType="POLYLINE", GraphicAnnotationUnits="PIXEL", GraphicData=points, **more)


async def drawn(held: Door, **sequences: list[Dataset]) -> set[tuple[int, int]]:
    """Rows and columns that the graphics make white: all else of the picture is black."""
    black = item(WindowCenter=30000, WindowWidth=10)
    path = state(
        held,
        next(NEXT),
        SoftcopyVOILUTSequence=[black],
        GraphicAnnotationSequence=[item(GraphicLayer="L1", **sequences)],
        without_graphics=False,
        **FLAT,
    )
    found = await shown(held, path)
    return {(int(row), int(column)) for row, column in zip(*np.nonzero(found), strict=True)}


def row(number: int, first: int, last: int) -> set[tuple[int, int]]:
    return {(number, column) for column in range(first, last + 1)}


def column(number: int, first: int, last: int) -> set[tuple[int, int]]:
    return {(row, number) for row in range(first, last + 1)}


async def test_the_first_pixel_reaches_from_0_to_1(held: Door) -> None:
    assert await drawn(held, GraphicObjectSequence=[line([0.5, 3.5, 20.5, 3.5])]) == row(3, 0, 20)


@pytest.mark.parametrize(
    ("graphic", "white"),
    [
        (
            compound("RECTANGLE", [10.5, 20.5, 15.5, 24.5]),
            row(20, 10, 15) | row(24, 10, 15) | column(10, 20, 24) | column(15, 20, 24),
        ),
        (compound("MULTILINE", [1.5, 5.5, 9.5, 5.5, 1.5, 8.5, 9.5, 8.5]), row(5, 1, 9) | row(8, 1, 9)),
        (compound("INFINITELINE", [70.5, 50.5, 72.5, 50.5]), row(50, 0, 143)),
        (compound("CUTLINE", [10.5, 50.5, 30.5, 50.5], GapLength=10), row(50, 10, 15) | row(50, 25, 30)),
        (
            compound("CROSSHAIR", [40.5, 60.5], GapLength=4, DiameterOfVisibility=10),
            row(60, 35, 38) | row(60, 42, 45) | column(40, 55, 58) | column(40, 62, 65),
        ),
        (
            compound(
                "RULER",
                [10.5, 50.5, 30.5, 50.5],
                MajorTicksSequence=[item(TickPosition=0.5, TickLabel="half")],
            ),
            row(50, 10, 30) | column(20, 46, 54),
        ),
        (compound("ARROW", [10.5, 50.5, 30.5, 50.5]), row(50, 10, 30)),
        (
            compound("MULTILINE", [40.5, 40.5, 50.5, 40.5], RotationAngle=90.0, RotationPoint=[40.5, 40.5]),
            column(40, 30, 40),
        ),
        (compound("MULTILINE", [0.0, 0.5, 0.999, 0.5], units="DISPLAY"), row(60, 0, 143)),
        (compound("RECTANGLE", [10.5, 20.5]), set()),
        (
            compound(
                "CUTLINE", [1e30, -1e30, 1e30, -1e30], GapLength=1e38, RotationAngle=1e9, RotationPoint=[-1e30, 0]
            ),
            set(),
        ),
        (compound("RULER", [1.5, 1.5, 9.5, 1.5], MajorTicksSequence=[item(TickPosition=1e38)]), row(1, 1, 9)),
    ],
    ids=lambda value: value.CompoundGraphicType if isinstance(value, Dataset) else "",
)
async def test_compound_graphics_are_drawn_where_their_points_lie(
    held: Door, graphic: Dataset, white: set[tuple[int, int]]
) -> None:
    assert await drawn(held, CompoundGraphicSequence=[graphic]) == white


async def test_an_ellipse_touches_the_sides_of_its_rectangle(held: Door) -> None:
    found = await drawn(held, CompoundGraphicSequence=[compound("ELLIPSE", [10.5, 20.5, 40.5, 30.5])])
    rows, columns = zip(*found, strict=True)
    assert (min(rows), max(rows), min(columns), max(columns)) == (20, 30, 10, 40)
    inside = [(((c - 25) / 15) ** 2 + ((r - 25) / 5) ** 2) for r, c in found]
    assert min(inside) > 0.5 and max(inside) < 1.5


async def test_what_is_also_drawn_in_simple_graphics_is_drawn_once(held: Door) -> None:
    """Its writer's own rendering is taken (C.10.5.1.3.1)"""
    found = await drawn(
        held,
        GraphicObjectSequence=[line([1.5, 5.5, 9.5, 5.5], CompoundGraphicInstanceID=1)],
        CompoundGraphicSequence=[compound("RECTANGLE", [10.5, 20.5, 15.5, 24.5])],
    )
    assert found == row(5, 1, 9)
