"""What R-01 to R-17 say of rendered images one by one, where no other test shows it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_modality_lut

from tests import corpus
from tests.web.retrieving import Door, door, instance_path, parts

CT, CINE, RGB = "generated/ts/ct_evle.dcm", "generated/mod/xa_cine_12frames_jpegll.dcm", "generated/ts/rgb_evle.dcm"
KEY_OBJECTS, CONTOURS, ECG = (
    "generated/mod/ko.dcm",
    "generated/mod/rtstruct_96_contours.dcm",
    "generated/mod/ecg_12lead_2groups.dcm",
)
COLOUR = [
    RGB,
    "generated/encap/us_native_rgb.dcm",
    "generated/mod/sc_rgb_16bit.dcm",
    "generated/ts/rgb_rle.dcm",
    "generated/ts/rgb_jpeg_rgb.dcm",
    "generated/ts/rgb_jpeg_ybr444.dcm",
    "generated/ts/rgb_jpeg_ybr422.dcm",
    "generated/ts/rgb_jpeg_ybr420.dcm",
    "generated/ts/rgb_j2k_ict.dcm",
    "generated/ts/rgb_j2k_rct.dcm",
    "generated/ts/rgb_htj2k_ict.dcm",
    "generated/ts/rgb_htj2k_rct.dcm",
    "generated/encap/us_native_ybr422.dcm",
]
GREY = [
    "generated/mod/cr_mono1_10bit_modalitylut.dcm",
    "generated/mod/sc_mono_32bit.dcm",
    "generated/mod/rtdose_5frames_32bit.dcm",
    "generated/mod/sc_1bit_nonaligned.dcm",
    "generated/mod/seg_binary.dcm",
    "generated/mod/seg_fractional.dcm",
    "generated/mod/pt_slope_1.dcm",
    "generated/mod/parametric_map_float.dcm",
    "generated/mod/parametric_map_double.dcm",
    "generated/mod/nm_dynamic_8frames.dcm",
]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("items"), CT, CINE, KEY_OBJECTS, CONTOURS, ECG, *COLOUR, *GREY) as found:
        yield found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


async def first_frame(held: Door, name: str) -> Image.Image:
    answer = await held.get(held.at(name) + "/frames/1/rendered", "image/png")
    assert answer.status_code == 200, answer.text
    return opened(answer.content)


@pytest.mark.parametrize("name", COLOUR)
async def test_every_kind_of_colour_is_drawn_as_pydicom_has_it(held: Door, name: str) -> None:
    """R-02"""
    ds = pydicom.dcmread(corpus.path(name))
    pixels = ds.pixel_array if int(ds.get("NumberOfFrames") or 1) == 1 else ds.pixel_array[0]
    wanted = (pixels >> (ds.BitsStored - 8)).astype(int)
    image = await first_frame(held, name)
    assert image.mode == "RGB"
    # Decoders differ in how they make chroma of half the resolution large again: docs/pixels.md
    assert np.abs(np.asarray(image, int) - wanted).mean() <= (3 if "422" in name or "420" in name else 0.5)


@pytest.mark.parametrize("name", GREY)
async def test_every_kind_of_grey_spans_black_to_white(held: Door, name: str) -> None:
    """R-02, R-17: one bit, 10 to 32 bits, signed, float and double, masks and parametric maps"""
    ds = pydicom.dcmread(corpus.path(name))
    values = ds.pixel_array if int(ds.get("NumberOfFrames") or 1) == 1 else ds.pixel_array[0]
    shown = apply_modality_lut(values, ds).astype(float) if "ModalityLUTSequence" in ds else values.astype(float)
    finite = shown[np.isfinite(shown)]
    low, high = finite.min(), finite.max()
    if ds.BitsAllocated == 1 or "MaximumFractionalValue" in ds:
        low, high = 0, ds.get("MaximumFractionalValue", 1)
    wanted = np.clip(np.nan_to_num((shown - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0), 0, 1) * 255
    wanted = 255 - wanted if ds.PhotometricInterpretation == "MONOCHROME1" else wanted
    image = await first_frame(held, name)
    assert image.mode == "L"
    assert np.abs(np.asarray(image, float) - wanted).max() <= 1


async def test_png_has_8_bits_and_jpeg_is_baseline(held: Door) -> None:
    """R-10, R-14"""
    png = (await held.get(held.at(CT) + "/rendered", "image/png")).content
    assert png[24] == 8  # bit depth in IHDR
    jpeg = (await held.get(held.at(RGB) + "/rendered", "image/jpeg")).content
    assert jpeg.count(b"\xff\xc0\x00\x11\x08") == 1  # SOF0 of three components, 8 bits
    assert not any(jpeg.count(bytes((0xFF, marker, 0, 0x11, 8))) for marker in (0xC1, 0xC2, 0xC9))


async def test_quality_is_for_lossy_types_alone(held: Door) -> None:
    """R-06"""
    low, high = [
        len((await held.get(held.at(RGB) + f"/rendered?quality={quality}", "image/jpeg")).content)
        for quality in (5, 100)
    ]
    assert low * 2 < high
    for kind in ("image/png", "image/gif"):
        plain = await held.get(held.at(RGB) + "/rendered", kind)
        assert (await held.get(held.at(RGB) + "/rendered?quality=5", kind)).content == plain.content


async def test_a_viewport_may_leave_out_members_and_scales_up(held: Door) -> None:
    """R-07; of 144 x 120"""
    whole = np.asarray(await first_frame(held, CT))
    corner = await held.get(held.at(CT) + "/rendered?viewport=20,30,,,20,30", "image/png")
    assert np.array_equal(np.asarray(opened(corner.content)), whole[:30, :20])
    rest = await held.get(held.at(CT) + "/rendered?viewport=44,20,100,100", "image/png")
    assert np.array_equal(np.asarray(opened(rest.content)), whole[100:, 100:])
    larger = await held.get(held.at(CT) + "/rendered?viewport=288,300", "image/png")
    assert opened(larger.content).size == (288, 240)
    upside_down = await held.get(held.at(CT) + "/rendered?viewport=144,120,,,,-120", "image/png")
    assert np.array_equal(np.asarray(opened(upside_down.content)), whole[::-1])


async def test_the_first_of_several_windows_counts(held: Door) -> None:
    """R-04"""
    ds = pydicom.dcmread(corpus.path(CT))
    ds.WindowCenter, ds.WindowWidth = [40, 300], [400, 1500]
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.8804"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    path = instance_path(held.held.take_bytes(buffer.getvalue()))
    own = await held.get(f"{path}/rendered", "image/png")
    asked = await held.get(f"{path}/rendered?window=40,400,linear", "image/png")
    other = await held.get(f"{path}/rendered?window=300,1500,linear", "image/png")
    assert own.content == asked.content != other.content


async def test_annotations_are_drawn_at_their_edges(held: Door) -> None:
    """R-05"""
    plain = np.asarray(await first_frame(held, CT), int)
    for keyword, rows in (("patient", slice(0, 60)), ("technique", slice(60, 120))):
        drawn = await held.get(f"{held.at(CT)}/rendered?annotation={keyword}", "image/png")
        changed = np.abs(np.asarray(opened(drawn.content).convert("L"), int) - plain) > 0
        assert changed[rows].sum() > 20
        assert changed[rows].sum() == changed.sum()


async def test_unknown_parameters_change_nothing(held: Door) -> None:
    """R-13"""
    plain = await held.get(held.at(CT) + "/rendered", "image/png")
    assert (await held.get(held.at(CT) + "/rendered?zebra=1&window-center=4", "image/png")).content == plain.content


@pytest.mark.parametrize("name", [KEY_OBJECTS, CONTOURS, ECG])
async def test_what_is_neither_picture_nor_text_is_406_and_has_an_icon(held: Door, name: str) -> None:
    """R-16"""
    assert (await held.get(held.at(name) + "/rendered", "*/*")).status_code == 406
    assert opened((await held.get(held.at(name) + "/thumbnail", "image/jpeg")).content).format == "JPEG"


async def test_an_image_s_own_profile_comes_before_ours(held: Door) -> None:
    """R-09"""
    ds = pydicom.dcmread(corpus.path(RGB))
    ds.ICCProfile = b"a profile of its own."
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.8809"
    buffer = io.BytesIO()
    ds.save_as(buffer)
    path = instance_path(held.held.take_bytes(buffer.getvalue()))
    answer = await held.get(f"{path}/rendered?iccprofile=yes", "image/png")
    assert opened(answer.content).info["icc_profile"].startswith(b"a profile of its own.")
    assert "icc_profile" not in opened((await held.get(f"{path}/rendered?iccprofile=no", "image/png")).content).info


async def test_a_site_may_have_one_image_stand_for_a_series(tmp_path: Path) -> None:
    """R-01, as OHIF asks for its thumbnails"""
    names = [f"generated/series/ct_{number:03}.dcm" for number in range(3)]
    with door(tmp_path, *names) as plain:
        site = Door(plain.held, replace(plain.services, rendered_representative=True), plain.keys)
        series = plain.at(names[0]).partition("/instances/")[0]
        assert (await plain.get(f"{series}/rendered", "image/jpeg")).status_code == 406
        alone = await site.get(f"{series}/rendered", "image/jpeg")
        assert alone.headers["content-type"] == "image/jpeg"
        several = await site.get(f"{series}/rendered", 'multipart/related; type="image/jpeg"')
        assert len(parts(several)) == 3


async def test_a_study_gives_every_frame_of_its_images(held: Door) -> None:
    """R-01"""
    study = held.at(CINE).partition("/series/")[0]
    answer = await held.get(f"{study}/rendered", 'multipart/related; type="image/png"')
    places = [part.headers["Content-Location"].partition("/dicomweb")[2] for part in parts(answer)]
    assert [place for place in places if held.at(CINE) in place] == [
        f"{held.at(CINE)}/frames/{number}/rendered" for number in range(1, 13)
    ]
