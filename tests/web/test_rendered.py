"""/rendered over HTTP: what comes, as which type, and what is refused (R-01 to R-16, C-34)."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from dicomweb_server.dicom.rendering import media
from tests import corpus
from tests.web.retrieving import Door, door, parts

CT, CT_J2K = "generated/ts/ct_evle.dcm", "generated/ts/ct_j2k_lossless_s16.dcm"
CINE = "generated/mod/xa_cine_12frames_jpegll.dcm"
VIDEO = "generated/mod/video_mpeg4_avc.dcm"
REPORT = "generated/mod/sr_comprehensive.dcm"
PDF, CDA = "generated/mod/encapsulated_pdf.dcm", "generated/mod/encapsulated_cda.dcm"
CONTOURS = "generated/mod/rtstruct_96_contours.dcm"
INVERTED = "generated/mod/cr_mono1_12bit_voilut.dcm"
PALETTE = "generated/mod/sc_palette_16bit_lut.dcm"
HELD = [CT, CT_J2K, CINE, VIDEO, REPORT, PDF, CDA, CONTOURS, INVERTED, PALETTE]
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("rendered"), *HELD) as found:
        yield found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def as_pydicom_shows(name: str) -> np.ndarray[Any, Any]:
    """Modality and VOI by pydicom, the range of the outcome spread over 0 to 255; without VOI the whole range."""
    ds = pydicom.dcmread(corpus.path(name))
    shown = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(float)
    low, high = shown.min(), shown.max()
    grey: np.ndarray[Any, Any] = (shown - low) / (high - low) * 255
    return 255 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey


@pytest.mark.parametrize("name", [CT, CT_J2K])
async def test_an_image_looks_as_pydicom_has_it(held: Door, name: str) -> None:
    answer = await held.get(held.at(name) + "/rendered", "image/png")
    assert answer.headers["content-type"] == "image/png"
    assert np.abs(np.asarray(opened(answer.content), float) - as_pydicom_shows(name)).max() <= 2


async def test_palettes_come_out_in_colour_as_pydicom_has_them(held: Door) -> None:
    ds = pydicom.dcmread(corpus.path(PALETTE))
    expected = pydicom.pixels.apply_color_lut(ds.pixel_array, ds) >> 8
    answer = await held.get(held.at(PALETTE) + "/rendered", "image/png")
    assert np.abs(np.asarray(opened(answer.content), int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        (FIREFOX, "image/png"),
        ("image/gif", "image/gif"),
        ("image/webp, image/jp2;q=0.5", "image/jp2"),
        ("image/jph", "image/jph"),
        ("image/jxl", "image/jxl"),
    ],
)
async def test_the_best_type_that_is_drawn_here_is_given(held: Door, accept: str | None, given: str) -> None:
    answer = await held.get(held.at(CT) + "/rendered", accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, given)


async def test_the_accept_parameter_goes_before_the_header_as_ohif_sends_it(held: Door) -> None:
    answer = await held.get(
        held.at(CT) + "/rendered?accept=image%2Fjpeg", 'multipart/related; type="application/octet-stream"'
    )
    assert opened(answer.content).format == "JPEG"


async def test_a_viewport_is_read_with_its_commas_encoded(held: Door) -> None:
    answer = await held.get(held.at(CT) + "/rendered?viewport=16%2C20", "image/png")
    assert opened(answer.content).size == (16, 13)  # of 144 x 120


async def test_a_negative_source_width_flips(held: Door) -> None:
    plain = await held.get(held.at(CT) + "/rendered", "image/png")
    width, height = opened(plain.content).size
    flipped = await held.get(held.at(CT) + f"/rendered?viewport={width},{height},,,-{width}", "image/png")
    assert np.array_equal(np.asarray(opened(flipped.content)), np.asarray(opened(plain.content))[:, ::-1])


@pytest.mark.parametrize(
    "query",
    [
        "viewport=512",
        "viewport=0,10",
        "viewport=-1,10",
        "viewport=1.5,10",
        "viewport=1000000000,1000000000",
        "viewport=16384,16384",
        "viewport=99999999999999999999,1",
        "viewport=10,10,nan",
        "viewport=10,10,1e999",
        "viewport=10,10,5000,0",
        "viewport=10,10,0,0,0,0",
        "viewport=10,10,1,2,3,4,5",
        "viewport=10,10&viewport=10,10",
        "window=40",
        "window=40,400",
        "window=40,400,LINEAR",
        "window=40,0.5,linear",
        "window=40,0,sigmoid",
        "window=x,1,linear",
        "window=inf,1,linear",
        "quality=0",
        "quality=101",
        "quality=90.5",
        "annotation=",
        "annotation=patient,",
        "annotation=%00",
        "annotation=<b>",
        "iccprofile=maybe",
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_reason(held: Door, query: str) -> None:
    answer = await held.get(held.at(CT) + f"/rendered?{query}", "image/png")
    assert answer.status_code == 400
    assert len(answer.text) > len("Bad Request: ")


async def test_a_profile_in_a_type_that_holds_none_is_refused(held: Door) -> None:
    assert (await held.get(held.at(CT) + "/rendered?iccprofile=srgb", "image/gif")).status_code == 400


@pytest.mark.parametrize(
    ("space", "grey", "red"),
    [("srgb", 128, (255, 0, 0)), ("adobergb", 127, (219, 0, 0)), ("rommrgb", 109, (179, 70, 26))],
)
async def test_colours_are_turned_into_the_space_asked_for(
    held: Door, space: str, grey: int, red: tuple[int, int, int]
) -> None:
    """By the formulas of the spaces, worked out for sRGB (128, 128, 128) and (255, 0, 0)."""
    answer = await held.get(held.at(PALETTE) + f"/rendered?iccprofile={space}", "image/png")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(opened(answer.content).info["icc_profile"]))
    turned = ImageCms.profileToProfile(
        Image.fromarray(np.array([[[128, 128, 128], [255, 0, 0]]], np.uint8)), ImageCms.createProfile("sRGB"), profile
    )
    assert turned is not None
    assert np.abs(np.asarray(turned, int) - [[[grey] * 3, red]]).max() <= 2
    plain = np.asarray(opened((await held.get(held.at(PALETTE) + "/rendered", "image/png")).content))
    assert np.array_equal(np.asarray(opened(answer.content)), plain) == (space == "srgb")


async def test_unknown_annotations_are_named_in_a_warning(held: Door) -> None:
    answer = await held.get(held.at(CT) + "/rendered?annotation=patient,zebra", "image/png")
    assert answer.status_code == 200
    assert answer.headers["warning"].endswith("The following annotation values are not supported: zebra")


async def test_all_frames_come_as_multipart_one_as_it_is_and_an_animation_holds_them(held: Door) -> None:
    every = await held.get(held.at(CINE) + "/rendered", 'multipart/related; type="image/jpeg"')
    assert [part.headers["Content-Type"] for part in parts(every)] == ["image/jpeg"] * 12
    assert parts(every)[11].headers["Content-Location"].endswith("/frames/12/rendered")
    assert opened(parts(every)[0].body).format == "JPEG"
    one = await held.get(held.at(CINE) + "/rendered", "image/jpeg")
    assert opened(one.content).format == "JPEG"
    moving = await held.get(held.at(CINE) + "/rendered", "image/gif")
    assert getattr(opened(moving.content), "n_frames", 1) > 1  # equal neighbours are one frame, shown longer


async def test_frames_named_come_in_their_order(held: Door) -> None:
    listed = await held.get(held.at(CINE) + "/frames/3,1/rendered", 'multipart/related; type="image/png"')
    first, second = (opened(part.body) for part in parts(listed))
    alone = [await held.get(held.at(CINE) + f"/frames/{number}/rendered", "image/png") for number in (3, 1)]
    assert [first, second] == [opened(answer.content) for answer in alone]


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/frames/1,2/rendered", "image/png", 406),
        ("/frames/13/rendered", "image/png", 404),
        ("/frames/0/rendered", "image/png", 400),
        ("/rendered", "application/dicom", 406),
        ("/rendered", "text/html", 406),
    ],
)
async def test_frames_that_cannot_be_given_are_refused(held: Door, path: str, accept: str, status: int) -> None:
    assert (await held.get(held.at(CINE) + path, accept)).status_code == status


async def test_one_part_is_no_study(held: Door) -> None:
    study = held.at(CT).partition("/series/")[0]
    assert (await held.get(f"{study}/rendered", "image/jpeg")).status_code == 406
    whole = await held.get(f"{study}/rendered", 'multipart/related; type="image/jpeg"')
    assert whole.status_code == 200
    assert {part.headers["Content-Type"] for part in parts(whole)} == {"image/jpeg"}


async def test_a_report_is_text_in_three_forms(held: Door) -> None:
    page = await held.get(held.at(REPORT) + "/rendered?viewport=rubbish")  # parameters are for images
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in page.headers["content-security-policy"]
    assert (await held.get(held.at(REPORT) + "/rendered", "text/plain")).text
    ElementTree.fromstring((await held.get(held.at(REPORT) + "/rendered", "text/xml")).content)
    assert (await held.get(held.at(REPORT) + "/rendered", "image/jpeg")).status_code == 406


async def test_documents_and_videos_come_as_they_are_with_ranges(held: Door) -> None:
    dataset = pydicom.dcmread(corpus.path(PDF))
    stored = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    pdf = await held.get(held.at(PDF) + "/rendered?accept=application/pdf")
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", stored)
    some = await held.get(held.at(PDF) + "/rendered", "application/pdf", range="bytes=0-3")
    assert (some.status_code, some.content) == (206, b"%PDF")
    film = await held.get(held.at(VIDEO) + "/rendered", "video/mp4", range="bytes=4-7")
    assert (film.status_code, film.headers["content-type"], film.content) == (206, "video/mp4", b"ftyp")
    letter = await held.get(held.at(CDA) + "/rendered")
    assert letter.headers["content-type"] == "text/xml"
    assert "sandbox" in letter.headers["content-security-policy"]
    ElementTree.fromstring(letter.content)


async def test_what_has_nothing_to_show_is_refused(held: Door) -> None:
    assert (await held.get(held.at(CONTOURS) + "/rendered")).status_code == 406


async def test_what_a_client_has_is_not_drawn_again(held: Door) -> None:
    first = await held.get(held.at(CT) + "/rendered", "image/png")
    again = await held.get(held.at(CT) + "/rendered", "image/png", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    smaller = await held.get(held.at(CT) + "/rendered?viewport=9,9", "image/png")
    assert smaller.headers["etag"] != first.headers["etag"]


def test_equal_wishes_are_spelled_alike_in_every_process() -> None:
    """An ETag is made of it, and any process may answer."""
    script = (
        "from dicomweb_server.dicom.rendering.request import Annotation, Rendering\n"
        "print(Rendering(annotations=frozenset(Annotation)).spelled)"
    )
    spelled = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in "1234"
    }
    assert len(spelled) == 1
    assert "patient" in spelled.pop()


async def test_the_order_of_annotations_makes_no_other_representation(held: Door) -> None:
    tags = {
        (await held.get(f"{held.at(CT)}/rendered?annotation={words}", "image/png")).headers["etag"]
        for words in ("patient,technique", "technique,patient")
    }
    assert len(tags) == 1


async def test_head_has_the_headers_alone(held: Door) -> None:
    answer = await held.get(held.at(CT) + "/rendered", "image/png", method="HEAD")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", b"")


async def test_a_picture_is_drawn_once_for_all_who_ask(tmp_path: Path) -> None:
    with door(tmp_path, CT) as held:
        first = await held.get(held.at(CT) + "/rendered?viewport=40,40", "image/png")
        pictures = {path.read_bytes() for path in kept(tmp_path)}
        assert pictures == {first.content}
        again = await held.get(held.at(CT) + "/rendered?viewport=40,40", "image/png")
        assert (again.content, len(kept(tmp_path))) == (first.content, 1)
        by_frame = await held.get(held.at(CT) + "/frames/1/rendered?viewport=40,40", "image/png")
        assert (by_frame.headers["etag"], len(kept(tmp_path))) == (first.headers["etag"], 1)
        await held.get(held.at(CT) + "/rendered?viewport=41,41", "image/png")
        assert len(kept(tmp_path)) == 2


async def test_what_an_older_version_drew_is_not_taken_for_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door(tmp_path, CT) as held:
        for level in ("/rendered", "/frames/1/rendered", "/thumbnail"):
            older = await held.get(held.at(CT) + level, "image/png")
            monkeypatch.setattr(media, "REVISION", media.REVISION + 1)
            newer = await held.get(held.at(CT) + level, "image/png", if_none_match=older.headers["etag"])
            assert newer.status_code == 200


def kept(folder: Path) -> list[Path]:
    return list((folder / "derived").glob("??/*"))
