"""Frames become pictures as PS3.4 N.2 says; expected values are worked out by hand or by pydicom."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_windowing

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.decode import Frame, decode
from dicomweb_server.dicom.pixels.facts import Element, ImageFacts
from dicomweb_server.dicom.rendering.fonts import lettered, plain
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.render import render, render_animated
from dicomweb_server.dicom.rendering.request import Annotation, Profile, Rendering, Viewport, Window, WindowFunction
from dicomweb_server.dicom.rendering.viewport import framed
from dicomweb_server.model.errors import BadRequest, NotAcceptable, Undecodable
from tests import corpus
from tests.pixels.reading import attributes, dataset, facts_of, frames_of

SIGNATURES = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG",
    "image/gif": b"GIF8",
    "image/jp2": b"\0\0\0\x0cjP  ",
    "image/jxl": b"\xff\x0a",
}


def held(*names: str) -> list[str]:
    """Those of the files that the corpus at hand holds."""
    return [name for name in names if name in corpus.expected()]


def subject(values: np.ndarray[Any, Any], **more: Any) -> tuple[Frame, Subject]:
    """A one-row 16-bit image with the attributes given as tag=[values]."""
    data = {tag.removeprefix("x"): {"vr": "DS", "Value": value} for tag, value in more.items()}
    signed = values.dtype.kind == "i"
    facts = ImageFacts(transfer_syntax="1.2.840.10008.1.2.1", rows=1, columns=values.size, signed=signed)
    return Frame(values.reshape(1, -1), "MONOCHROME2"), Subject(facts, Attributes(data))


def opened(name: str) -> tuple[bytes, Subject]:
    ds = dataset(name)
    facts = facts_of(ds)
    return frames_of(ds, facts)[0], Subject(facts, attributes(ds))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        # linear: x <= c-0.5-(w-1)/2 is black, x > c-0.5+(w-1)/2 white (PS3.3 C.11.2.1.2.1)
        (Window(100, 101), [0, 1, 129, 255, 255]),
        (Window(100, 1), [0, 0, 255, 255, 255]),
        (Window(100, 100, WindowFunction.LINEAR_EXACT), [0, 0, 128, 255, 255]),
        (Window(100, 100, WindowFunction.SIGMOID), [5, 30, 128, 225, 255]),
    ],
    ids=["linear", "linear of width 1", "linear exact", "sigmoid"],
)
def test_a_window_follows_its_function(window: Window, expected: list[int]) -> None:
    frame, image = subject(np.array([0, 50, 100, 150, 300], np.int16))
    assert picture(frame, image, window).tolist() == [expected]


def test_rescale_comes_before_the_window() -> None:
    values = np.array([0, 1000, 1040, 2000], np.int16)
    frame, image = subject(values, x00281053=[1], x00281052=[-1000], x00281050=[40], x00281051=[81])
    assert picture(frame, image).tolist() == [[0, 2, 129, 255]]


def test_a_map_shows_the_values_its_cells_stand_for() -> None:
    """R-17: 0.5 a step from -10; the window is of these values"""
    frame, image = subject(np.array([0, 20, 40], np.uint16), x00281050=[0], x00281051=[11])
    mapping = {"00409225": {"vr": "FD", "Value": [0.5]}, "00409224": {"vr": "FD", "Value": [-10]}}
    image.attributes.data["00409096"] = {"vr": "SQ", "Value": [mapping]}
    assert picture(frame, image).tolist() == [[140, 255, 255]]  # of another class: its window is of the cells
    image.attributes.data["00080016"] = {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.30"]}
    assert picture(frame, image).tolist() == [[0, 140, 255]]


def test_without_a_window_the_frame_spans_the_range_and_padding_does_not_count() -> None:
    frame, image = subject(np.array([-2000, 0, 50, 100], np.int16), x00280120=[-2000])
    assert picture(frame, image).tolist() == [[0, 0, 128, 255]]


@pytest.mark.parametrize("padding", [-2000, 63536], ids=["SS", "US"])
def test_padding_of_signed_cells_may_be_written_unsigned(padding: int) -> None:
    frame, image = subject(np.array([-2000, 0, 50, 100], np.int16), x00280120=[padding])
    assert picture(frame, image).tolist() == [[0, 0, 128, 255]]


def test_monochrome1_is_inverted() -> None:
    frame, image = subject(np.array([0, 100], np.uint16))
    assert picture(Frame(frame.cells, "MONOCHROME1"), image).tolist() == [[255, 0]]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_an_inverse_presentation_shape_inverts_once(photometric: str) -> None:
    """As dcm2pnm does"""
    frame, image = subject(np.array([0, 100], np.uint16), x20500020=["INVERSE"])
    assert picture(Frame(frame.cells, photometric), image).tolist() == [[255, 0]]


@pytest.mark.parametrize(
    ("stage", "cells", "rescale"),
    [
        ("00283000", np.array([-2, 0, 1], np.int16), {}),
        ("00283010", np.array([-2, 0, 1], np.int16), {}),
        ("00283010", np.array([0, 2, 3], np.uint16), {"x00281052": [-2]}),
    ],
    ids=["modality", "VOI", "VOI after a negative intercept"],
)
def test_a_table_that_begins_below_0_may_say_so_unsigned(
    stage: str, cells: np.ndarray[Any, Any], rescale: dict[str, Any]
) -> None:
    """65534 for -2: dcm2pnm draws the same"""
    table = {"00283002": {"vr": "US", "Value": [4, 65534, 8]}, "00283006": {"vr": "US", "Value": [0, 85, 170, 255]}}
    frame, image = subject(cells, **rescale)
    image.attributes.data[stage] = {"vr": "SQ", "Value": [table]}
    assert picture(frame, image).tolist() == [[0, 170, 255]]


def test_a_function_in_small_letters_is_the_same_function() -> None:
    frame, image = subject(np.array([0, 50, 100], np.int16), x00281050=[50], x00281051=[100], x00281056=["sigmoid"])
    assert picture(frame, image).tolist() == [[30, 128, 225]]


def test_nan_is_black_and_infinity_does_not_widen_the_range() -> None:
    facts = ImageFacts(transfer_syntax="1.2.840.10008.1.2.1", rows=1, columns=4, element=Element.FLOAT)
    cells = np.array([[np.nan, 0.0, 1.0, np.inf]], np.float32)
    assert picture(Frame(cells, "MONOCHROME2"), Subject(facts, Attributes({}))).tolist() == [[0, 0, 255, 255]]


def test_bits_outside_the_stored_ones_are_not_seen() -> None:
    facts = ImageFacts(transfer_syntax="1.2", rows=1, columns=3, bits_stored=12, high_bit=11, signed=True)
    cells = np.array([[0x0000, 0x7001, 0x0FFF]], np.uint16).view(np.int16)
    attributes = Attributes({"00281050": {"vr": "DS", "Value": [0]}, "00281051": {"vr": "DS", "Value": [4]}})
    drawn = picture(Frame(cells, "MONOCHROME2"), Subject(facts, attributes))
    assert drawn.tolist() == picture(*subject(np.array([0, 1, -1], np.int16), x00281050=[0], x00281051=[4])).tolist()


@pytest.mark.parametrize("name", held("real/pydicom/CT_small.dcm", "generated/mod/cr_mono1_12bit_voilut.dcm"))
def test_grey_images_look_as_pydicom_draws_them(name: str) -> None:
    ds = dataset(name)
    window = Window(float(ds.get("WindowCenter", 40) or 40), float(ds.get("WindowWidth", 400) or 400))
    ds.WindowCenter, ds.WindowWidth = window.center, window.width
    for sequence in ("VOILUTSequence", "VOILUTFunction"):
        ds.pop(sequence, None)
    data, image = opened(name)
    wanted = apply_windowing(apply_modality_lut(ds.pixel_array, ds), ds)
    shown = (wanted - wanted.min()) / ((wanted.max() - wanted.min()) or 1)
    drawn = picture(decode(data, image.facts), image, window).astype(float) / 255
    drawn = 1 - drawn if ds.PhotometricInterpretation == "MONOCHROME1" else drawn
    # pydicom scales to the bits of the output, so the ends are compared by their order only
    assert np.corrcoef(shown.ravel(), drawn.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    "name",
    held(
        "generated/mod/sc_palette_8bit_lut.dcm",
        "generated/mod/sc_palette_16bit_lut.dcm",
        "generated/mod/us_segmented_palette.dcm",
    ),
)
def test_palettes_give_the_colours_pydicom_gives(name: str) -> None:
    ds = dataset(name)
    wanted = apply_color_lut(ds.pixel_array, ds)
    data, image = opened(name)
    eight = (wanted >> 8 if wanted.dtype.itemsize == 2 and wanted.max() > 255 else wanted).astype(int)
    assert np.abs(picture(decode(data, image.facts), image).astype(int) - eight).max() <= 1


def test_a_palette_index_out_of_range_takes_the_last_entry() -> None:
    table = {"vr": "OW", "InlineBinary": "AAEC"}
    described = {"vr": "US", "Value": [3, 0, 8]}
    data: dict[str, Any] = dict.fromkeys(("00281101", "00281102", "00281103"), described)
    data |= dict.fromkeys(("00281201", "00281202", "00281203"), table)
    frame, image = subject(np.array([0, 2, 60000], np.uint16))
    drawn = picture(Frame(frame.cells, "PALETTE COLOR"), Subject(image.facts, Attributes(data)))
    assert drawn[0, :, 0].tolist() == [0, 2, 2]


def test_a_palette_with_one_dark_colour_keeps_its_proportions() -> None:
    """Entries of 16 bits: the blue ones alone would pass for 8 bits"""
    described = {"vr": "US", "Value": [2, 0, 16]}
    data: dict[str, Any] = dict.fromkeys(("00281101", "00281102", "00281103"), described)
    data |= {key: {"vr": "US", "Value": [0, 65535]} for key in ("00281201", "00281202")}
    data["00281203"] = {"vr": "US", "Value": [0, 200]}
    frame, image = subject(np.array([0, 1], np.uint16))
    drawn = picture(Frame(frame.cells, "PALETTE COLOR"), Subject(image.facts, Attributes(data)))
    assert drawn.tolist() == [[[0, 0, 0], [255, 255, 0]]]


def test_a_supplemental_palette_colours_what_it_has_entries_for() -> None:
    """Grey below 1000, coloured from there on (PS3.3 C.7.6.19)"""
    data: dict[str, Any] = {"00089205": {"vr": "CS", "Value": ["MIXED"]}}
    data |= {key: {"vr": "US", "Value": [2, 1000, 8]} for key in ("00281101", "00281102", "00281103")}
    data |= {key: {"vr": "US", "Value": [0, 0]} for key in ("00281202", "00281203")}
    data["00281201"] = {"vr": "US", "Value": [7, 250]}
    frame, image = subject(np.array([0, 100, 1000, 1001], np.uint16))
    drawn = picture(frame, Subject(image.facts, Attributes(data)))
    assert drawn.tolist() == [[[0, 0, 0], [255, 255, 255], [7, 0, 0], [250, 0, 0]]]


def test_a_label_is_as_bright_in_every_frame_of_its_map() -> None:
    """Of four segments, whichever are in the frame; 0, the background, is padding"""
    segments = [{"00620004": {"vr": "US", "Value": [number]}} for number in (1, 2, 3, 4)]
    data = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.66.7"]},
        "00620002": {"vr": "SQ", "Value": segments},
        "00280120": {"vr": "US", "Value": [0]},
    }
    frame, image = subject(np.array([0, 2, 2], np.uint16))
    assert picture(frame, Subject(image.facts, Attributes(data))).tolist() == [[0, 128, 128]]


def test_labels_have_the_colours_of_their_segments() -> None:
    """Red and blue by their CIELab values; 0 and what is not described are black"""
    colours = {1: [35579, 53664, 50862], 3: [19378, 50447, 4104]}
    segments = [{"00620004": {"Value": [number]}, "0062000D": {"Value": lab}} for number, lab in colours.items()]
    label_map = {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.66.7"]}
    frame, image = subject(np.array([0, 1, 2, 3, 4], np.uint16))
    attributes = Attributes({"00080016": label_map, "00620002": {"vr": "SQ", "Value": segments}})
    drawn = picture(frame, Subject(image.facts, attributes)).astype(int)
    wanted = [[0, 0, 0], [255, 0, 0], [0, 0, 0], [0, 0, 255], [0, 0, 0]]
    assert np.abs(drawn[0] - wanted).max() <= 3


def test_a_palette_without_entries_is_undecodable() -> None:
    data = {tag: {"vr": "US", "Value": [3, 0, 8]} for tag in ("00281101", "00281102", "00281103")}
    frame, image = subject(np.array([0, 1], np.uint16))
    with pytest.raises(Undecodable):
        picture(Frame(frame.cells, "PALETTE COLOR"), Subject(image.facts, Attributes(data)))


def test_each_frame_uses_its_own_functional_group() -> None:
    windows = [
        {"00289132": {"vr": "SQ", "Value": [{"00281050": {"Value": [c]}, "00281051": {"Value": [3]}}]}} for c in (0, 10)
    ]
    frame, image = subject(np.array([5, 15], np.uint16))
    shown = [
        picture(frame, Subject(image.facts, Attributes({"52009230": {"vr": "SQ", "Value": windows}}), number)).tolist()
        for number in (0, 1)
    ]
    assert shown == [[[255, 255]], [[0, 255]]]


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        (None, (40, 20)),
        (Viewport(20, 20), (20, 10)),
        (Viewport(80, 80), (80, 40)),
        (Viewport(10, 10, 0, 0, 10, 20), (5, 10)),
        (Viewport(10, 10, 20, 0, -20, 20), (10, 10)),
    ],
    ids=["whole", "smaller", "larger", "region", "flipped"],
)
def test_a_viewport_keeps_the_aspect(viewport: Viewport | None, size: tuple[int, int]) -> None:
    assert framed(np.zeros((20, 40), np.uint8), viewport).size == size


def test_a_negative_size_flips() -> None:
    row = np.array([[0, 255]], np.uint8)
    assert np.asarray(framed(row, Viewport(2, 1, 0, 0, -2, 1))).tolist() == [[255, 0]]


def test_a_region_outside_the_image_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        framed(np.zeros((4, 4), np.uint8), Viewport(4, 4, 9, 0))


@pytest.mark.parametrize("size", [(10**9, 10**9), (0, 5), (5, -1)])
def test_an_impossible_viewport_is_a_bad_request(size: tuple[int, int]) -> None:
    with pytest.raises(BadRequest):
        Viewport(*size)


def test_an_enlargement_beyond_bounds_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        framed(np.zeros((4, 4), np.uint8), Viewport(16384, 16384))


@pytest.mark.parametrize("window", [(0, 0.5, WindowFunction.LINEAR), (0, 0, WindowFunction.SIGMOID)])
def test_an_impossible_window_is_a_bad_request(window: tuple[float, float, WindowFunction]) -> None:
    with pytest.raises(BadRequest):
        Window(*window)


@pytest.mark.parametrize("media_type", sorted(SIGNATURES))
@pytest.mark.parametrize("name", ["generated/ts/ct_evle.dcm", "generated/ts/rgb_evle.dcm"])
def test_every_type_is_written(name: str, media_type: str) -> None:
    assert render(*opened(name), Rendering(media_type=media_type)).startswith(SIGNATURES[media_type])


def test_the_best_jpeg_keeps_colours_sharp() -> None:
    """Alternate columns of red and blue: half the resolution of colour would make them one"""
    facts = ImageFacts(transfer_syntax="1.2.840.10008.1.2.1", rows=16, columns=16, samples=3, bits_allocated=8)
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, ::2, 0] = pixels[:, 1::2, 2] = 255
    subject = Subject(replace(facts, bits_stored=8, high_bit=7, photometric="RGB"), Attributes({}))
    shown = Image.open(io.BytesIO(render(pixels.tobytes(), subject, Rendering(quality=100))))
    assert np.abs(np.asarray(shown, int) - pixels).max() <= 4


def test_an_unknown_type_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptable):
        render(*opened("generated/ts/ct_evle.dcm"), Rendering(media_type="image/bmp"))


def test_annotation_changes_the_picture_and_leaves_its_size() -> None:
    data, image = opened("generated/ts/ct_evle.dcm")
    plain = Image.open(io.BytesIO(render(data, image, Rendering(media_type="image/png"))))
    wanted = Rendering(media_type="image/png", annotations=frozenset(Annotation))
    marked = Image.open(io.BytesIO(render(data, image, wanted)))
    assert marked.size == plain.size
    assert marked.tobytes() != plain.tobytes()


@pytest.mark.parametrize(
    ("text", "in_ascii"),
    [("Müller", "Muller"), ("Łódź Ærø", "Lodz AEro"), ("Straße", "Strasse"), ("김 A", "? A"), ("e\u0301", "e")],
)
def test_letters_that_no_font_knows_are_written_without_their_accents(text: str, in_ascii: str) -> None:
    assert plain(text) == in_ascii


@pytest.mark.parametrize("text", ["Müller", "Иванов", "山田"])
def test_no_letter_is_drawn_as_the_box_of_a_missing_one(text: str) -> None:
    """Whatever fonts the system has"""
    written, font = lettered(text, 20)
    missing = bytes(font.getmask("\U0010fffe"))
    assert missing not in [bytes(font.getmask(letter)) for letter in written]


def test_a_profile_is_embedded_where_the_type_holds_one() -> None:
    data, image = opened("generated/ts/rgb_evle.dcm")
    assert b"ICC_PROFILE" in render(data, image, Rendering(profile=Profile.SRGB))
    with pytest.raises(BadRequest):
        render(data, image, Rendering(media_type="image/gif", profile=Profile.YES))


def test_all_frames_become_one_animation() -> None:
    ds = dataset("generated/mod/seg_fractional.dcm")
    facts = facts_of(ds)
    frames = [(data, Subject(facts, attributes(ds), n)) for n, data in enumerate(frames_of(ds, facts))]
    with Image.open(io.BytesIO(render_animated(frames, Rendering(media_type="image/gif")))) as moving:
        assert getattr(moving, "n_frames", 1) > 1


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"00181063": [40]}, [40, 40, 40]),
        ({"00181065": [0, 30, 60], "00181063": [500]}, [30, 60, 60]),
        ({"00180040": [25]}, [40, 40, 40]),
        ({"00082144": [10], "00181063": [40]}, [100, 100, 100]),
        ({"00181063": [33.333]}, [30, 40, 30]),
        ({"00181063": [1]}, [20, 20, 20]),
        ({"00181063": [1e9]}, [218450, 218450, 218450]),
        ({}, [100, 100, 100]),
    ],
    ids=["frame time", "vector", "cine rate", "display rate", "thirds", "too fast", "too slow", "nothing"],
)
def test_an_animation_runs_at_the_pace_the_image_names(said: dict[str, list[float]], shown: list[int]) -> None:
    facts = ImageFacts(transfer_syntax="1.2.840.10008.1.2.1", rows=1, columns=4, bits_allocated=8, bits_stored=8)
    described = Attributes({tag: {"vr": "DS", "Value": values} for tag, values in said.items()})
    frames = [(bytes([0, 80 + number, 255, 0]), Subject(facts, described, number)) for number in range(3)]
    with Image.open(io.BytesIO(render_animated(frames, Rendering(media_type="image/gif")))) as moving:
        assert [each.info["duration"] for each in ImageSequence.Iterator(moving)] == shown
