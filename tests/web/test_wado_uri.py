"""WADO-URI as the standard and the Cornerstone WADO loader send it (U-01 to U-08)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pydicom
import pytest
from PIL import Image

from tests import corpus
from tests.web.retrieving import Door, door

CT, CT_JPEG = "generated/ts/ct_evle.dcm", "generated/ts/rgb_jpeg_ybr422.dcm"
CINE = "generated/mod/xa_cine_12frames_jpegll.dcm"
REPORT = "generated/mod/sr_comprehensive.dcm"
DICOM = "&contentType=application%2Fdicom"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("wado-uri"), CT, CT_JPEG, CINE, REPORT) as found:
        yield found


def at(held: Door, name: str, more: str = "", path: str = "/wado") -> str:
    key = held.keys[name]
    return f"{path}?requestType=WADO&studyUID={key.study}&seriesUID={key.series}&objectUID={key.instance}{more}"


@pytest.mark.parametrize("path", ["/wado", ""])
@pytest.mark.parametrize("accept", [None, "application/dicom", "*/*"])
async def test_the_file_comes_as_one_part(held: Door, path: str, accept: str | None) -> None:
    answer = await held.get(at(held, CT, DICOM, path), accept)
    assert answer.headers["content-type"].startswith("application/dicom")
    assert answer.content == corpus.file(CT)


async def test_any_transfer_syntax_is_the_stored_one(held: Door) -> None:
    answer = await held.get(at(held, CINE, DICOM + "&transferSyntax=*"))
    assert answer.content == corpus.file(CINE)


async def test_without_a_transfer_syntax_compressed_pixels_are_decoded_and_stay_marked_as_lossy(held: Door) -> None:
    read = pydicom.dcmread(io.BytesIO((await held.get(at(held, CT_JPEG, DICOM))).content))
    assert read.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert read.LossyImageCompression == "01"
    assert read.pixel_array.shape == pydicom.dcmread(corpus.path(CT_JPEG)).pixel_array.shape


async def test_images_are_jpeg_and_reports_html_unless_asked_otherwise(held: Door) -> None:
    assert (await held.get(at(held, CT), "*/*")).headers["content-type"] == "image/jpeg"
    assert (await held.get(at(held, REPORT))).headers["content-type"] == "text/html; charset=utf-8"
    assert (await held.get(at(held, CT, "&contentType=image/png"))).headers["content-type"] == "image/png"
    assert (await held.get(at(held, CT, "&contentType=image/tiff,image/gif"))).headers["content-type"] == "image/gif"
    weighed = "&contentType=image/gif%3Bq=0.5,image/png"
    assert (await held.get(at(held, CT, weighed))).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("query", "share"),
    [
        ("&rows=10", (12, 10)),
        ("&columns=12&rows=40", (12, 10)),
        ("&region=0,0,0.5,1&rows=20", (12, 20)),
        ("&region=0.25,0.25,0.75,0.75&columns=12", (12, 10)),
    ],
)
async def test_size_and_region(held: Door, query: str, share: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO((await held.get(at(held, CT, "&contentType=image/png" + query))).content))
    assert image.size == share  # of 144 x 120


async def test_a_frame_is_chosen_by_its_number(held: Door) -> None:
    by_number = await held.get(at(held, CINE, "&contentType=image/png&frameNumber=3"))
    by_path = await held.get(held.at(CINE) + "/frames/3/rendered", "image/png")
    assert by_number.content == by_path.content


async def test_a_window_is_the_linear_one(held: Door) -> None:
    here = await held.get(at(held, CT, "&contentType=image/png&windowCenter=40&windowWidth=400"))
    there = await held.get(held.at(CT) + "/rendered?window=40,400,linear", "image/png")
    assert here.content == there.content


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("&contentType=image/jpeg%3Btransfer-syntax%3D1.2.840.10008.1.2.4.50", 400),
        ("&contentType=application/dicom,image/jpeg", 400),
        (DICOM + "&windowCenter=40&windowWidth=400", 400),
        (DICOM + "&transferSyntax=nonsense", 400),
        (DICOM + "&transferSyntax=1.2.840.10008.1.2.1,1.2.840.10008.1.2.4.50", 400),
        (DICOM + "&transferSyntax=1.2.3.4", 406),
        ("&contentType=image/tiff", 406),
        ("&windowCenter=40", 400),
        ("&windowCenter=40&windowWidth=0", 400),
        ("&region=0,0,1", 400),
        ("&region=0.5,0,0.5,1", 400),
        ("&region=0,0,1,1.5", 400),
        ("&rows=0", 400),
        ("&rows=1000000000", 400),
        ("&imageQuality=0", 400),
        ("&frameNumber=2", 400),
        ("&frameNumber=0", 400),
        ("&annotation=", 400),
        ("&presentationUID=1.2.3", 400),
        ("&anonymize=no", 400),
        ("&anonymize=yes", 403),
        ("&rows=5&rows=5", 400),
    ],
)
async def test_what_makes_no_sense_is_refused(held: Door, query: str, status: int) -> None:
    assert (await held.get(at(held, CT, query))).status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("?requestType=wado&studyUID=1&seriesUID=1&objectUID=1", 400),
        ("?requestType=WADO&studyUID=1&seriesUID=1", 400),
        ("?requestType=WADO&studyUID=../x&seriesUID=1&objectUID=1", 400),
        ("?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1", 404),
    ],
)
async def test_all_three_names_are_needed(held: Door, query: str, status: int) -> None:
    assert (await held.get("/wado" + query)).status_code == status
