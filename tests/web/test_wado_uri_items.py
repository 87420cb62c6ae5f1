"""What U-01 to U-08 say of WADO-URI one by one, where no other test shows it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.signals.memory import MemorySignals
from tests import corpus
from tests.web.retrieving import Door, door
from tests.web.test_wado_uri import CINE, CT, DICOM, REPORT, at

JLS = "generated/ts/ct_jls_lossless.dcm"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("wado-uri"), CT, JLS, CINE, REPORT) as found:
        yield found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


async def test_parameters_come_in_any_order_and_lead_to_their_own_ancestors_only(held: Door) -> None:
    """U-01"""
    key, other = held.keys[CT], held.keys[CINE]
    named = [f"objectUID={key.instance}", "requestType=WADO", f"studyUID={key.study}", f"seriesUID={key.series}"]
    for order in (named, named[::-1]):
        assert (await held.get("/wado?" + "&".join(order))).status_code == 200
    for wrong in (
        f"studyUID={other.study}&seriesUID={key.series}&objectUID={key.instance}",
        f"studyUID={key.study}&seriesUID={other.series}&objectUID={key.instance}",
    ):
        assert (await held.get(f"/wado?requestType=WADO&{wrong}")).status_code == 404


async def test_what_was_deleted_is_gone(tmp_path: Path) -> None:
    """U-01"""
    with door(tmp_path, CT) as held:
        Delete(held.held.objects, held.held.catalog.holdings, MemorySignals())(held.keys[CT])
        for more in ("", DICOM):
            assert (await held.get(at(held, CT, more))).status_code == 410


async def test_without_a_type_the_accept_header_decides(held: Door) -> None:
    """U-02"""
    for accept, given in (("image/gif", "image/gif"), (None, "image/jpeg"), ("*/*", "image/jpeg")):
        assert (await held.get(at(held, CT), accept)).headers["content-type"] == given
    assert (await held.get(at(held, CT, "&contentType=image/png"), "image/gif")).headers["content-type"] == "image/png"
    for inside in ("image/jpeg%3Bcharset%3Dutf-8", "application/dicom%3Btransfer-syntax%3D1.2.840.10008.1.2.1"):
        assert (await held.get(at(held, CT, f"&contentType={inside}"))).status_code == 400


async def test_a_file_comes_in_the_syntax_named_or_explicit_little_endian_or_as_the_site_says(held: Door) -> None:
    """U-03"""
    plain = pydicom.dcmread(io.BytesIO((await held.get(at(held, JLS, DICOM))).content))
    assert plain.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    rle = await held.get(at(held, JLS, DICOM + "&transferSyntax=1.2.840.10008.1.2.5"))
    read = pydicom.dcmread(io.BytesIO(rle.content))
    assert read.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    assert np.array_equal(read.pixel_array, plain.pixel_array)
    site = Door(held.held, replace(held.services, wado_uri_as_stored=True), held.keys)
    assert (await site.get(at(held, JLS, DICOM))).content == corpus.file(JLS)


@pytest.mark.parametrize("name", ["annotation", "imageAnnotation"])
async def test_both_names_of_annotations_are_known(held: Door, name: str) -> None:
    """U-05"""
    plain = await held.get(at(held, CT, "&contentType=image/png"))
    drawn = await held.get(at(held, CT, f"&contentType=image/png&{name}=patient"))
    assert drawn.status_code == 200
    assert drawn.content != plain.content
    by_path = await held.get(held.at(CT) + "/rendered?annotation=patient", "image/png")
    assert drawn.content == by_path.content


async def test_both_names_of_annotations_add_up_and_unknown_words_are_told(held: Door) -> None:
    """U-05, R-05"""
    both = await held.get(at(held, CT, "&contentType=image/png&annotation=patient&imageAnnotation=technique,colour"))
    by_path = await held.get(held.at(CT) + "/rendered?annotation=patient,technique", "image/png")
    assert both.content == by_path.content
    assert both.headers["warning"].endswith("not supported: colour")


async def test_all_frames_come_as_an_animation(held: Door) -> None:
    """R-03: by GIF, where no frame is named"""
    counts = [
        getattr(opened((await held.get(at(held, CINE, f"&contentType=image/gif{frame}"))).content), "n_frames", 1)
        for frame in ("", "&frameNumber=2")
    ]
    assert counts == [12, 1]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("&frameNumber=1", 400),
        ("&presentationSeriesUID=1.2&presentationUID=1.2&windowCenter=1&windowWidth=5", 400),
        ("&presentationSeriesUID=1.2&presentationUID=1.2", 404),
        ("&windowWidth=5", 400),
        ("&region=0,0,1,1", 200),
        ("&imageQuality=101", 400),
        ("&imageQuality=50&imageQuality=60", 400),
        ("&unknown=1&unknown=2", 200),
    ],
)
async def test_parameters_of_the_picture_are_judged(held: Door, query: str, status: int) -> None:
    """U-05; an image of one frame has no frame number"""
    assert (await held.get(at(held, CT, query))).status_code == status


async def test_frames_are_counted_from_one(held: Door) -> None:
    """U-05"""
    for number, status in ((0, 400), (1, 200), (12, 200), (13, 400)):
        assert (await held.get(at(held, CINE, f"&frameNumber={number}"))).status_code == status


async def test_the_region_is_cut_before_it_is_scaled(held: Door) -> None:
    """U-06; of 144 x 120"""
    whole = np.asarray(opened((await held.get(at(held, CT, "&contentType=image/png"))).content))
    query = "&contentType=image/png&region=0.5,0.5,1,1&columns=72"
    cut = np.asarray(opened((await held.get(at(held, CT, query))).content))
    assert np.array_equal(cut, whole[60:, 72:])


async def test_there_is_no_multipart_here_and_reports_are_text(held: Door) -> None:
    """U-07"""
    assert (await held.get(at(held, CT), 'multipart/related; type="image/jpeg"')).status_code == 406
    for kind in ("text/html", "text/plain"):
        answer = await held.get(at(held, REPORT, f"&contentType={kind}"))
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize("path", ["/wado", ""])
async def test_files_come_in_ranges_and_to_other_origins_as_elsewhere(held: Door, path: str) -> None:
    """U-08"""
    answer = await held.get(
        at(held, CT, DICOM + "&transferSyntax=*", path), origin="http://localhost:3000", range="bytes=128-131"
    )
    assert (answer.status_code, answer.content) == (206, b"DICM")
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
