"""What a presentation state displays, and how its graphics look there (R-15); pixels are worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.facts import ImageFacts
from dicomweb_server.dicom.rendering.display import display_of
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from tests.web.retrieving import Door, door
from tests.web.states import item, shown, state
from tests.web.test_compound_graphics import FLAT, column, compound, line, row

CT = "generated/ts/ct_evle.dcm"
"""144 x 120"""
NEXT = iter(range(900, 1000))
RED = [35579, 53664, 50862]
"""In CIELab as DICOM writes it"""
BLACK = item(WindowCenter=30000, WindowWidth=10)
WHITE = item(WindowCenter=-30000, WindowWidth=10)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("display"), CT) as found:
        yield found


def area(first: list[int], last: list[int], **more: Any) -> list[Dataset]:
    return [item(DisplayedAreaTopLeftHandCorner=first, DisplayedAreaBottomRightHandCorner=last, **more)]


async def drawn(held: Door, *, query: str = "", layer: Dataset | None = None, **changed: Any) -> np.ndarray[Any, Any]:
    """A black picture with the sequences of ``layer`` drawn over it."""
    asked: dict[str, Any] = {**FLAT, "SoftcopyVOILUTSequence": [BLACK], **changed}
    if layer is not None:
        layer.GraphicLayer = "L1"
        asked |= {"GraphicAnnotationSequence": [layer], "without_graphics": False}
    return await shown(held, state(held, next(NEXT), **asked), query)


def lit(found: np.ndarray[Any, Any]) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column, *_ in zip(*np.nonzero(found), strict=True)}


async def test_graphics_of_the_image_turn_with_it_and_those_of_the_display_do_not(held: Door) -> None:
    layer = item(GraphicObjectSequence=[line([0.5, 3.5, 20.5, 3.5])])
    assert lit(await drawn(held, layer=layer, ImageRotation=90)) == column(116, 0, 20)
    on_display = line([0, 0.01, 0.999, 0.01])
    on_display.GraphicAnnotationUnits = "DISPLAY"
    layer = item(GraphicObjectSequence=[on_display])
    assert lit(await drawn(held, layer=layer, ImageRotation=90, ImageHorizontalFlip="Y")) == row(1, 0, 119)


async def test_an_area_beyond_the_image_is_black_there(held: Door) -> None:
    """Columns -9 to 10 and rows 111 to 130, of which 1 to 144 and 1 to 120 have pixels"""
    found = await drawn(held, SoftcopyVOILUTSequence=[WHITE], DisplayedAreaSelectionSequence=area([-9, 111], [10, 130]))
    wanted = np.zeros((20, 20), int)
    wanted[:10, 10:] = 255
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize(
    ("more", "query", "shape"),
    [
        ({"PresentationSizeMode": "SCALE TO FIT", "PresentationPixelAspectRatio": [1, 1]}, "", (10, 20)),
        ({"PresentationPixelAspectRatio": [2, 1]}, "", (20, 20)),
        ({"PresentationPixelSpacing": [0.5, 1.0]}, "", (10, 40)),
        ({"PresentationSizeMode": "MAGNIFY", "PresentationPixelMagnificationRatio": 2.5}, "", (25, 50)),
        ({"PresentationSizeMode": "MAGNIFY", "PresentationPixelMagnificationRatio": 1e6}, "", (10, 20)),
        ({"PresentationPixelAspectRatio": [2, 1]}, "?viewport=100,50", (50, 50)),
    ],
)
async def test_the_area_has_the_size_and_proportions_the_state_says(
    held: Door, more: dict[str, Any], query: str, shape: tuple[int, int]
) -> None:
    """Of 20 x 10 pixels"""
    found = await drawn(held, query=query, DisplayedAreaSelectionSequence=area([11, 21], [30, 30], **more))
    assert found.shape == shape


def test_an_area_far_larger_than_anybody_looks_at_is_shown_smaller() -> None:
    """Of 8001 x 8001 pixels that are nine times as high as wide"""
    named = item(DisplayedAreaSelectionSequence=area([-4000, -4000], [4000, 4000], PresentationPixelAspectRatio=[9, 1]))
    subject = Subject(ImageFacts(transfer_syntax=EXPLICIT_LE, rows=10, columns=10), Attributes({}))
    found = display_of(10, 10, subject, Attributes(named.to_json_dict()), None)
    assert found.width * found.height <= 1 << 26
    assert abs(found.height / found.width - 9) < 0.01


async def test_graphics_far_away_cost_nothing_and_those_that_cross_are_seen(held: Door) -> None:
    circle = item(GraphicType="CIRCLE", GraphicAnnotationUnits="PIXEL", GraphicData=[1e30, -1e30, 1e38, 1e38])
    layer = item(GraphicObjectSequence=[*[circle] * 500, line([-1e6, 50.5, 1e6, 50.5])])
    assert lit(await drawn(held, layer=layer)) == row(50, 0, 143)


async def test_lines_stay_fine_in_a_larger_viewport(held: Door) -> None:
    layer = item(GraphicObjectSequence=[line([0.25, 3.25, 20.25, 3.25])])
    assert lit(await drawn(held, layer=layer, query="?viewport=288,240")) == row(6, 0, 40)


async def test_colours_and_widths_are_those_of_the_style(held: Door) -> None:
    """Red in CIELab, three pixels wide; the layer is blue, and so is what has no style"""
    red = item(PatternOnColorCIELabValue=RED, LineThickness=3.0, LineDashingStyle="SOLID")
    layer = item(
        GraphicObjectSequence=[line([10.5, 50.5, 30.5, 50.5], LineStyleSequence=[red]), line([1.5, 5.5, 9.5, 5.5])]
    )
    blue = item(GraphicLayer="L1", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=[19378, 50447, 4104])
    found = await drawn(held, layer=layer, GraphicLayerSequence=[blue])
    assert np.abs(found[49:52, 15] - [255, 0, 0]).max() <= 3
    assert np.abs(found[5, 5] - [0, 0, 255]).max() <= 3
    assert not found[[48, 52], 15].any()


async def test_a_dashed_line_has_gaps(held: Door) -> None:
    dashed = item(LineDashingStyle="DASHED")
    layer = item(GraphicObjectSequence=[line([10.5, 50.5, 40.5, 50.5], LineStyleSequence=[dashed])])
    found = await drawn(held, layer=layer)
    assert found[50, 10:41].tolist() == ([255] * 7 + [0] * 3) * 3 + [0]


async def test_a_line_pattern_counts_in_bits_from_the_lowest_as_long_as_the_line_is_thick(held: Door) -> None:
    """Twice four on, four off, and 24 more off; the gaps are red"""
    style = item(LineDashingStyle="DASHED", LinePattern=0x0F0F, LineThickness=1.0)
    found = await drawn(
        held, layer=item(GraphicObjectSequence=[line([10.0, 50.5, 90.0, 50.5], LineStyleSequence=[style])])
    )
    on = {start + step for start in (10, 18, 42, 50, 74, 82) for step in range(4)}
    lit_columns = {column for _, column in lit(found)}
    assert on <= lit_columns <= on | {column + 1 for column in on}
    style.PatternOffColorCIELabValue = RED
    found = await drawn(
        held, layer=item(GraphicObjectSequence=[line([10.0, 50.5, 90.0, 50.5], LineStyleSequence=[style])])
    )
    assert (found[50, 11] == 255).all()
    assert np.abs(found[50, 15] - [255, 0, 0]).max() <= 3


async def test_a_line_lets_as_much_be_seen_as_its_opacity_leaves(held: Door) -> None:
    style = item(PatternOnOpacity=0.5)
    layer = item(GraphicObjectSequence=[line([10.5, 50.5, 30.5, 50.5], LineStyleSequence=[style])])
    found = await drawn(held, layer=layer)
    assert lit(found) == row(50, 10, 30)
    assert set(found[50, 10:31].tolist()) == {128}


@pytest.mark.parametrize(
    ("kind", "shadowed"),
    [("NORMAL", row(54, 12, 32)), ("OUTLINED", row(49, 10, 30) | row(51, 10, 30)), ("OFF", set())],
)
async def test_a_line_has_its_shadow(held: Door, kind: str, shadowed: set[tuple[int, int]]) -> None:
    """Two to the right and four down, or around it"""
    style = item(ShadowStyle=kind, ShadowOffsetX=2.0, ShadowOffsetY=4.0, ShadowColorCIELabValue=RED)
    if kind == "OUTLINED":
        style.ShadowOffsetX = style.ShadowOffsetY = 0.0
    layer = item(GraphicObjectSequence=[line([10.5, 50.5, 30.5, 50.5], LineStyleSequence=[style])])
    found = await drawn(held, layer=layer)
    assert lit(found) == row(50, 10, 30) | shadowed
    assert all(np.abs(found[place] - [255, 0, 0]).max() <= 3 for place in shadowed)


async def test_a_fill_pattern_is_laid_from_the_corner_of_the_picture(held: Door) -> None:
    """Every second column on, the others red at half opacity"""
    square = [10.5, 10.5, 40.5, 10.5, 40.5, 40.5, 10.5, 40.5, 10.5, 10.5]
    style = item(FillMode="STIPPELED", FillPattern=b"\x55" * 128, PatternOffColorCIELabValue=RED, PatternOffOpacity=0.5)
    layer = item(GraphicObjectSequence=[line(square, GraphicFilled="Y", FillStyleSequence=[style])])
    found = await drawn(held, layer=layer)
    assert (found[12:39, 12:39:2] == 255).all()
    assert np.abs(found[12:39, 13:39:2] - [128, 0, 0]).max() <= 2


async def test_an_interpolated_line_is_bent_and_goes_through_its_points(held: Door) -> None:
    points = [10.5, 50.5, 40.5, 20.5, 70.5, 50.5]
    bent = item(GraphicType="INTERPOLATED", GraphicAnnotationUnits="PIXEL", GraphicData=points)
    found = lit(await drawn(held, layer=item(GraphicObjectSequence=[bent])))
    straight = lit(await drawn(held, layer=item(GraphicObjectSequence=[line(points)])))
    assert {(50, 10), (20, 40), (50, 70)} <= found
    assert found != straight


async def test_what_is_filled_lets_as_much_be_seen_as_its_opacity_leaves(held: Door) -> None:
    square = [10.5, 10.5, 20.5, 10.5, 20.5, 20.5, 10.5, 20.5, 10.5, 10.5]
    layer = item(
        GraphicObjectSequence=[line(square, GraphicFilled="Y", FillStyleSequence=[item(PatternOnOpacity=0.5)])]
    )
    found = await drawn(held, layer=layer)
    assert (found[10, 15], found[15, 25], round(found[15, 15] / 255, 1)) == (255, 0, 0.5)


async def test_ticks_have_their_labels_where_they_are_to_be_shown(held: Door) -> None:
    ruler = {"MajorTicksSequence": [item(TickPosition=0.5, TickLabel="8")]}
    unlabelled = compound("RULER", [10.5, 50.5, 60.5, 50.5], **ruler, ShowTickLabel="N")
    with_label = compound("RULER", [10.5, 50.5, 60.5, 50.5], **ruler, ShowTickLabel="Y")
    plain = lit(await drawn(held, layer=item(CompoundGraphicSequence=[unlabelled])))
    labelled = lit(await drawn(held, layer=item(CompoundGraphicSequence=[with_label])))
    label = labelled - plain
    assert plain < labelled
    assert {True} == {54 < row < 72 and 26 < column < 44 for row, column in label}


@pytest.mark.parametrize(
    ("side", "rows"), [("TOP", range(42, 51)), ("CENTER", range(46, 55)), ("BOTTOM", range(50, 59))]
)
async def test_ticks_are_on_the_side_of_the_line_that_is_named(held: Door, side: str, rows: range) -> None:
    """Of a line to the right; the label is on the side of its own"""
    ticks = {"MajorTicksSequence": [item(TickPosition=0.5, TickLabel="8")], "TickAlignment": side}
    ruler = compound("RULER", [10.5, 50.5, 60.5, 50.5], **ticks, ShowTickLabel="Y", TickLabelAlignment="TOP")
    found = lit(await drawn(held, layer=item(CompoundGraphicSequence=[ruler]))) - row(50, 10, 60)
    tick = {(number, 35) for number in rows} - {(50, 35)}
    assert tick <= found
    assert {number < 47 for number, _ in found - tick} == {True}


async def test_text_has_its_place_in_the_box_its_line_and_its_shadow(held: Door) -> None:
    """At the bottom, underlined, and red four to the right"""
    style = item(VerticalAlignment="BOTTOM", HorizontalAlignment="LEFT", Underlined="Y", ShadowStyle="NORMAL")
    style.ShadowOffsetX, style.ShadowOffsetY, style.ShadowColorCIELabValue = 4.0, 0.0, RED
    text = item(
        BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[40.5, 40.5],
        BoundingBoxBottomRightHandCorner=[100.5, 80.5],
        UnformattedTextValue="I",
        TextStyleSequence=[style],
    )
    found = await drawn(held, layer=item(TextObjectSequence=[text]))
    white = lit(found.min(axis=2) > 200)
    red = lit((found[..., 0] > 200) & (found[..., 1] < 50))
    assert {70 < number < 83 for number, _ in white} == {True}
    assert len({column for number, column in white if number == max(number for number, _ in white)}) >= 2
    assert min(column for _, column in red) > min(column for _, column in white)


async def test_text_is_set_in_its_box_and_tied_to_its_anchor(held: Door) -> None:
    text = item(
        BoundingBoxAnnotationUnits="PIXEL",
        BoundingBoxTopLeftHandCorner=[40.5, 40.5],
        BoundingBoxBottomRightHandCorner=[100.5, 60.5],
        BoundingBoxTextHorizontalJustification="RIGHT",
        UnformattedTextValue="I",
        AnchorPointAnnotationUnits="PIXEL",
        AnchorPoint=[10.5, 50.5],
        AnchorPointVisibility="Y",
    )
    found = lit(await drawn(held, layer=item(TextObjectSequence=[text])))
    assert row(50, 10, 40) <= found
    assert {column for _, column in found - row(50, 10, 40)} <= set(range(92, 103))
