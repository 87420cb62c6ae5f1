"""/thumbnail over HTTP: always one small picture, and none that names a patient (R-20 to R-24)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from dicomweb_server.model.records import Version
from dicomweb_server.objects import layout
from tests import corpus
from tests.web.retrieving import Door, door

CT = "generated/ts/ct_evle.dcm"
CINE = "generated/mod/xa_cine_12frames_jpegll.dcm"
NO_PICTURES = [
    "generated/mod/sr_comprehensive.dcm",
    "generated/mod/encapsulated_pdf.dcm",
    "generated/mod/rtstruct_96_contours.dcm",
    "generated/mod/video_mpeg4_avc.dcm",
    "generated/ts/ct_jpip_referenced.dcm",
]
SLICES = [f"generated/series/ct_{number:03}.dcm" for number in range(5)]
OHIF_IMG = "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("thumbnails"), CT, CINE, *NO_PICTURES, *SLICES) as found:
        yield found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def version(held: Door, name: str) -> Version:
    return held.held.catalog.holdings.version(held.keys[name])


@pytest.mark.parametrize("name", [CT, CINE, *NO_PICTURES])
async def test_every_series_and_instance_has_one(held: Door, name: str) -> None:
    instance = held.at(name)
    for path in (instance, instance.partition("/instances/")[0], instance.partition("/series/")[0]):
        answer = await held.get(path + "/thumbnail", "image/jpeg")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert max(opened(answer.content).size) <= 128


async def test_the_one_drawn_before_is_given_as_it_lies(held: Door) -> None:
    found = version(held, SLICES[0])
    held.held.objects.replace(layout.thumbnail(found.key, found.version), b"drawn before")
    assert (await held.get(held.at(SLICES[0]) + "/thumbnail")).content == b"drawn before"


async def test_one_drawn_on_demand_is_kept(held: Door) -> None:
    answer = await held.get(held.at(SLICES[1]) + "/thumbnail")
    found = version(held, SLICES[1])
    assert await held.held.objects.read(layout.thumbnail(found.key, found.version)) == answer.content


async def test_the_middle_slice_stands_for_its_series(held: Door) -> None:
    series = held.at(SLICES[0]).partition("/instances/")[0]
    numbers = {pydicom.dcmread(corpus.path(name)).InstanceNumber: name for name in SLICES}
    middle = await held.get(held.at(numbers[sorted(numbers)[2]]) + "/thumbnail")
    assert (await held.get(series + "/thumbnail")).content == middle.content


async def test_the_largest_series_of_images_stands_for_its_study(tmp_path: Path) -> None:
    """R-23; a report beside them does not, however many there are"""
    with door(tmp_path, *SLICES[:3]) as held:
        study = held.keys[SLICES[0]].study
        for number, name in enumerate([CINE, NO_PICTURES[0], NO_PICTURES[0], NO_PICTURES[0], NO_PICTURES[0]]):
            dataset = pydicom.dcmread(corpus.path(name))
            dataset.StudyInstanceUID = study
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.47{number}"
            buffer = io.BytesIO()
            dataset.save_as(buffer)
            held.held.take_bytes(buffer.getvalue())
        series = held.at(SLICES[0]).partition("/instances/")[0]
        of_study = await held.get(f"/studies/{study}/thumbnail", "image/png")
        assert of_study.content == (await held.get(f"{series}/thumbnail", "image/png")).content
        assert of_study.headers["etag"]


@pytest.mark.parametrize("level", ["/studies/", "/series/", "/instances/", "/frames/"])
async def test_every_level_takes_the_same_parameters(held: Door, level: str) -> None:
    """R-20"""
    whole = held.at(CINE) + "/frames/1/"
    path = whole[: whole.index("/", whole.index(level) + len(level))]
    answer = await held.get(f"{path}/thumbnail?accept=image/png&charset=utf-8&viewport=50,40", "application/json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    width, height = opened(answer.content).size
    assert width <= 50 and height <= 40 and (width, height) != (128, 128)
    assert (await held.get(f"{path}/thumbnail")).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("query", "accept", "kind", "size"),
    [
        ("?accept=image%2Fjpeg", 'multipart/related; type="application/octet-stream"', "JPEG", None),
        ("?viewport=256%2C256", "image/jpeg", "JPEG", 256),
        ("?viewport=32,64", "image/png", "PNG", 32),
        ("", "image/gif", "GIF", None),
        ("?accept=image/jpeg", OHIF_IMG, "JPEG", None),
        ("", "*/*", "JPEG", None),
    ],
)
async def test_viewers_get_the_type_and_size_they_ask_for(
    held: Door, query: str, accept: str, kind: str, size: int | None
) -> None:
    image = opened((await held.get(held.at(CT) + "/thumbnail" + query, accept)).content)
    assert image.format == kind
    assert size is None or max(image.size) == size


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("?viewport=1000000000,1", "image/jpeg", 400),
        ("?viewport=10,10,1,1,5,5", "image/jpeg", 400),
        ("?viewport=10", "image/jpeg", 400),
        ("", 'multipart/related; type="image/jpeg"', 406),
        ("", "application/dicom+json", 406),
    ],
)
async def test_what_makes_no_sense_is_refused(held: Door, query: str, accept: str, status: int) -> None:
    assert (await held.get(held.at(CT) + "/thumbnail" + query, accept)).status_code == status


async def test_of_a_list_of_frames_the_first_is_shown(held: Door) -> None:
    listed = await held.get(held.at(CINE) + "/frames/3,1/thumbnail", "image/png")
    assert listed.content == (await held.get(held.at(CINE) + "/frames/3/thumbnail", "image/png")).content
    assert (await held.get(held.at(CINE) + "/frames/13/thumbnail")).status_code == 404


async def test_a_client_that_has_it_gets_304(held: Door) -> None:
    first = await held.get(held.at(CT) + "/thumbnail")
    again = await held.get(held.at(CT) + "/thumbnail", if_none_match=first.headers["etag"])
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/thumbnail", "/frames/1/thumbnail", "/thumbnail?viewport=300,300"])
async def test_burned_in_text_is_never_shown(held: Door, path: str) -> None:
    dataset = pydicom.dcmread(corpus.path(CT))
    dataset.BurnedInAnnotation = "YES"
    dataset.SOPInstanceUID = "2.25.4711"
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.4711"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    held.held.take_bytes(buffer.getvalue())
    where = held.at(CT).rpartition("/")[0] + "/2.25.4711"
    text = np.asarray(opened((await held.get(where + path, "image/png")).content).convert("L"), float)
    card = np.asarray(opened((await held.get(where + "/thumbnail?viewport=128,128", "image/png")).content).convert("L"))
    shrunk = np.asarray(Image.fromarray(text.astype(np.uint8)).resize(card.shape[::-1]), float)
    assert np.abs(shrunk - card).mean() < 12
