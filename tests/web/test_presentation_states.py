"""Images as a presentation state shows them (R-15, U-05); expected values by pydicom's windowing and by hand."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from tests import corpus
from tests.web.retrieving import Door, door, parts
from tests.web.states import GREY, item, overlay, referring, shown, state

CT = "generated/ts/ct_evle.dcm"
COLOURED = "generated/mod/pr_pseudocolor.dcm"
NEXT = iter(range(2100, 2200))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("states"), CT, GREY) as found:
        yield found


def windowed() -> np.ndarray[Any, Any]:
    """Stored values, which the state's modality stage leaves as they are, through its window, inverted."""
    image = pydicom.dcmread(corpus.path(CT))
    by_state = Dataset()
    by_state.update(pydicom.dcmread(corpus.path(GREY)).SoftcopyVOILUTSequence[0])
    by_state.PhotometricInterpretation, by_state.BitsStored, by_state.PixelRepresentation = "MONOCHROME2", 16, 1
    values = apply_windowing(image.pixel_array, by_state)
    inverted: np.ndarray[Any, Any] = 255 - (values + 32768) / 65535 * 255
    return inverted


async def test_window_and_shape_of_the_state_stand_in_place_of_the_image_s(held: Door) -> None:
    assert np.abs(await shown(held, state(held, 1)) - windowed()).max() <= 1


async def test_text_and_lines_are_drawn_where_they_belong(held: Door) -> None:
    plain = await shown(held, state(held, 2))
    drawn = await shown(held, state(held, 3, without_graphics=False))
    rows, columns = np.nonzero(plain != drawn)
    assert rows.size > 20
    assert rows.max() <= 41 and columns.max() <= 45


async def test_a_pseudo_colour_state_colours(held: Door) -> None:
    assert (await shown(held, state(held, 4, of=COLOURED))).shape == (120, 144, 3)


async def test_the_displayed_area_is_cut_out_then_turned_and_flipped(held: Door) -> None:
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [11, 21], [60, 50]
    found = await shown(
        held,
        state(held, 5, DisplayedAreaSelectionSequence=[area], ImageRotation=90, ImageHorizontalFlip="Y"),
    )
    cut = windowed()[20:50, 10:60]
    assert np.abs(found - np.rot90(cut, -1)[:, ::-1]).max() <= 1


BITS = np.indices((6, 10)).sum(axis=0) % 3 == 0


async def test_overlays_that_the_state_puts_into_a_layer_are_white(held: Door) -> None:
    """R-15; the origin counts from 1 and may lie outside of the image"""
    plain = await shown(held, state(held, 10))
    found = await shown(held, state(held, 11, more=overlay(6, 10, BITS, at=[31, -2], layer="L1")))
    wanted = plain.copy()
    wanted[30:36, :7][BITS[:, 3:]] = 255
    assert np.array_equal(found, wanted)
    unused = await shown(held, state(held, 12, more=overlay(6, 10, BITS, at=[31, 1])))
    assert np.array_equal(unused, plain)


async def test_overlays_of_the_image_are_drawn_where_the_state_names_their_layer(tmp_path: Path) -> None:
    """R-15"""
    with door(tmp_path, CT) as held:
        image = pydicom.dcmread(corpus.path(CT))
        image.update(overlay(6, 10, BITS, at=[1, 1]))
        buffer = io.BytesIO()
        image.save_as(buffer)
        held.held.take_bytes(buffer.getvalue())
        layer = Dataset()
        layer.add_new(0x60001001, "CS", "L1")
        found, plain = await shown(held, state(held, 13, more=layer)), await shown(held, state(held, 14))
        assert np.array_equal(found[:6, :10] != plain[:6, :10], BITS & (plain[:6, :10] != 255))
        assert np.array_equal(found[6:], plain[6:])


async def test_a_bitmap_covers_what_it_has_bits_for(held: Door) -> None:
    """R-15"""
    bits = np.zeros((120, 144), bool)
    bits[:50] = True
    covering = overlay(120, 144, bits, at=[1, 1])
    found = await shown(
        held,
        state(
            held, 15, more=covering, ShutterShape="BITMAP", ShutterOverlayGroup=0x6000, ShutterPresentationValue=0x4000
        ),
    )
    assert (found[:50] == 0x40).all()
    assert np.abs(found[50:] - windowed()[50:]).max() <= 1


async def test_images_come_by_their_position_and_not_as_they_are_named(tmp_path: Path) -> None:
    """R-15"""
    slices = [f"generated/series/ct_{number:03}.dcm" for number in (7, 3, 5)]
    with door(tmp_path, *slices) as held:
        images = [pydicom.dcmread(corpus.path(name), stop_before_pixels=True) for name in slices]
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedImageSequence = images[0].SeriesInstanceUID, []
        for image in images:
            named = Dataset()
            named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
            series.ReferencedImageSequence.append(named)
        study = images[0].StudyInstanceUID
        path = state(held, 16, StudyInstanceUID=study, ReferencedSeriesSequence=[series])
        answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
        found = [part.headers["Content-Location"] for part in parts(answer)]
        ordered = sorted(images, key=lambda image: float(image.ImagePositionPatient[2]))
        assert [place.partition("/instances/")[2].partition("/")[0] for place in found] == [
            image.SOPInstanceUID for image in ordered
        ]


def by_dimensions(number: int) -> Dataset:
    return item(FrameContentSequence=[item(DimensionIndexValues=[1, 9 - number])])


def by_volume(number: int) -> Dataset:
    return item(
        PlanePositionVolumeSequence=[item(ImagePositionVolume=[0.0, 0.0, -float(number)])],
        PlaneOrientationVolumeSequence=[item(ImageOrientationVolume=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])],
    )


@pytest.mark.parametrize("described", [by_dimensions, by_volume])
async def test_frames_come_by_their_dimensions(tmp_path: Path, described: Callable[[int], Dataset]) -> None:
    """R-15; or by their place in the volume where they have neither those nor one in the patient"""
    enhanced = "generated/mod/enhanced_mr_9frames.dcm"
    with door(tmp_path, enhanced) as held:
        image = pydicom.dcmread(corpus.path(enhanced))
        image.PerFrameFunctionalGroupsSequence = [described(number) for number in range(9)]
        del image.SharedFunctionalGroupsSequence
        buffer = io.BytesIO()
        image.save_as(buffer)
        held.held.take_bytes(buffer.getvalue())
        path = state(
            held,
            17,
            StudyInstanceUID=image.StudyInstanceUID,
            ReferencedSeriesSequence=referring(image, 2, 9, 4),
        )
        answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
        found = [part.headers["Content-Location"] for part in parts(answer)]
        assert [place.partition("/frames/")[2] for place in found] == ["9/rendered", "4/rendered", "2/rendered"]


@pytest.mark.parametrize(
    ("query", "status"), [("?window=40,400,linear", 400), ("?viewport=10,10,0,0,5,5", 400), ("?viewport=10,10", 200)]
)
async def test_a_state_takes_no_window_and_no_source_region(held: Door, query: str, status: int) -> None:
    assert (await held.get(state(held, 7) + f"/rendered{query}", "image/png")).status_code == status


async def test_a_state_of_images_that_are_elsewhere_is_refused(held: Door) -> None:
    assert (await held.get(held.at(GREY) + "/rendered", "image/png")).status_code == 406


async def test_wado_uri_shows_an_image_by_a_state(held: Door) -> None:
    path = state(held, 8)
    _, study, _, series, _, instance = path.strip("/").split("/")
    key = held.keys[CT]
    answer = await held.get(
        f"/wado?requestType=WADO&studyUID={study}&seriesUID={key.series}&objectUID={key.instance}"
        f"&contentType=image/png&presentationSeriesUID={series}&presentationUID={instance}"
    )
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content)), int), await shown(held, path))


async def test_an_image_that_is_named_thousands_of_times_is_shown_once(held: Door) -> None:
    """Each time it was read anew, so that one state kept the server busy for half a minute."""
    path = state(held, 90, ReferencedSeriesSequence=referring(corpus_header(CT)) * 3000)
    answer = await held.get(f"{path}/rendered", 'multipart/related; type="image/png"')
    assert answer.status_code == 200
    assert len(parts(answer)) == 1


async def test_a_state_of_more_images_than_anybody_looks_at_is_refused(held: Door) -> None:
    (series,) = referring(corpus_header(CT))
    named = []
    for number in range(5000):
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.3", f"2.25.16{number}"
        named.append(image)
    series.ReferencedImageSequence = named
    answer = await held.get(f"{state(held, 91, ReferencedSeriesSequence=[series])}/rendered", "image/png")
    assert answer.status_code == 406
    assert "4096" in answer.text


def corpus_header(name: str) -> Dataset:
    return pydicom.dcmread(corpus.path(name), stop_before_pixels=True)


ROW, COLUMN = np.indices((120, 144)) + 1
RECTANGLE = {
    "ShutterLeftVerticalEdge": 31,
    "ShutterRightVerticalEdge": 100,
    "ShutterUpperHorizontalEdge": 21,
    "ShutterLowerHorizontalEdge": 90,
}
IN_RECTANGLE = (COLUMN >= 31) & (COLUMN <= 100) & (ROW >= 21) & (ROW <= 90)
CIRCLE = {"CenterOfCircularShutter": [60, 70], "RadiusOfCircularShutter": 30}
IN_CIRCLE = (ROW - 60) ** 2 + (COLUMN - 70) ** 2 <= 900
TRIANGLE = {"VerticesOfThePolygonalShutter": [10, 20, 110, 20, 110, 120]}
IN_TRIANGLE = (COLUMN >= 20) & (ROW <= 110) & (ROW - 10 >= COLUMN - 20)


@pytest.mark.parametrize(
    ("shutter", "seen"),
    [
        ({"ShutterShape": "RECTANGULAR", **RECTANGLE}, IN_RECTANGLE),
        ({"ShutterShape": "CIRCULAR", **CIRCLE}, IN_CIRCLE),
        ({"ShutterShape": "POLYGONAL", **TRIANGLE}, IN_TRIANGLE),
        (
            {"ShutterShape": ["POLYGONAL", "CIRCULAR", "RECTANGULAR"], **RECTANGLE, **CIRCLE, **TRIANGLE},
            IN_RECTANGLE & IN_CIRCLE & IN_TRIANGLE,
        ),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [-9999, -9999, 9999, -9999]}, ROW > 0),
        ({"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [60, 70]}, ROW > 0),
        ({"ShutterShape": "RECTANGULAR"}, ROW > 0),
    ],
)
async def test_a_pixel_is_seen_where_every_shutter_is_open(
    held: Door, shutter: dict[str, Any], seen: np.ndarray[Any, Any]
) -> None:
    """By the definitions of PS3.3 C.7.6.11, edges included; one without a place to be is none"""
    found = await shown(held, state(held, next(NEXT), ShutterPresentationValue=0x8000, **shutter))
    assert (found[~seen] == 0x80).all()
    assert np.abs(found - windowed())[seen].max() <= 1


RED, SRGB_RED = [35579, 53664, 50862], [255, 0, 0]
"""In CIELab as DICOM writes it (PS3.3 C.10.7.1.1)"""


async def test_a_shutter_has_its_colour(held: Door) -> None:
    coloured = {"ShutterPresentationValue": 0x4000, "ShutterPresentationColorCIELabValue": RED}
    found = await shown(held, state(held, next(NEXT), ShutterShape="CIRCULAR", **CIRCLE, **coloured))
    assert np.abs(found[~IN_CIRCLE] - SRGB_RED).max() <= 3
    assert np.abs(found[IN_CIRCLE] - windowed()[IN_CIRCLE][:, None]).max() <= 1


async def test_an_overlay_has_the_grey_or_the_colour_of_its_layer(held: Door) -> None:
    drawn = overlay(6, 10, np.ones((6, 10), bool), at=[1, 1], layer="L1")
    grey = item(GraphicLayer="L1", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=0x8000)
    found = await shown(held, state(held, next(NEXT), more=drawn, GraphicLayerSequence=[grey]))
    assert (found[:6, :10] == 0x80).all()
    red = item(GraphicLayer="L1", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayCIELabValue=RED)
    found = await shown(held, state(held, next(NEXT), more=drawn, GraphicLayerSequence=[red]))
    assert np.abs(found[:6, :10] - SRGB_RED).max() <= 3
    assert np.abs(found[6:] - windowed()[6:, :, None]).max() <= 1


async def test_a_variable_modality_lut_is_that_of_its_images(held: Door) -> None:
    """Twice the value plus 100 for this image, and another for one that is not here (PS3.3 C.11.35)"""
    (elsewhere,) = referring(item(SOPClassUID="1.2.3", SOPInstanceUID="2.25.1", SeriesInstanceUID="2.25.2"))
    other = item(RescaleSlope=7, RescaleIntercept=0, ReferencedImageSequence=elsewhere.ReferencedImageSequence)
    (here,) = referring(corpus_header(CT))
    own = item(RescaleSlope=2, RescaleIntercept=100, ReferencedImageSequence=here.ReferencedImageSequence)
    path = state(
        held,
        next(NEXT),
        of_class="1.2.840.10008.5.1.4.1.1.11.12",
        VariableModalityLUTSequence=[other, own],
        PresentationLUTShape="IDENTITY",
        SoftcopyVOILUTSequence=[item(WindowCenter=700, WindowWidth=1801)],
    )
    stored = pydicom.dcmread(corpus.path(CT)).pixel_array.astype(float)
    wanted = np.clip((2 * stored + 100 - 699.5) / 1800 + 0.5, 0, 1) * 255
    assert np.abs(await shown(held, path) - wanted).max() <= 1


async def test_a_state_leaves_the_colours_of_a_supplemental_palette_alone(tmp_path: Path) -> None:
    """Grey through the state, cells from 1000 up as their palette entries (PS3.4 N.2)"""
    with door(tmp_path, CT) as held:
        image = pydicom.dcmread(corpus.path(CT))
        image.PixelPresentation = "COLOR"
        for place, level in (("Red", 65280), ("Green", 0), ("Blue", 32768)):
            image.add_new(f"{place}PaletteColorLookupTableDescriptor", "US", [2, 1000, 16])
            setattr(image, f"{place}PaletteColorLookupTableData", np.full(2, level, "<u2").tobytes())
        buffer = io.BytesIO()
        image.save_as(buffer)
        held.held.take_bytes(buffer.getvalue())
        found = await shown(held, state(held, next(NEXT)))
        coloured = image.pixel_array >= 1000
        assert (found[coloured] == [255, 0, 128]).all()
        assert np.abs(found[~coloured] - windowed()[~coloured][:, None]).max() <= 1
