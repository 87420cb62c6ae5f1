"""Whole instances over HTTP (W-01 to W-05, C-30 to C-34, T-16)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests import corpus
from tests.web.retrieving import BASE, Door, door, parts

DICOM = 'multipart/related; type="application/dicom"'
AS_STORED = DICOM + "; transfer-syntax=*"
ELE = "1.2.840.10008.1.2.1"
EVLE, IVLE, EVBE, DEFLATED = (f"generated/ts/ct_{name}.dcm" for name in ("evle", "ivle", "evbe", "deflated"))
RLE, JPEG, JLS = "generated/ts/ct_rle.dcm", "generated/ts/rgb_jpeg_ybr422.dcm", "generated/ts/ct_jls_lossless.dcm"
SERIES = [f"generated/series/ct_{n:03d}.dcm" for n in range(5)]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    names = [EVLE, IVLE, EVBE, DEFLATED, RLE, JPEG, JLS, *SERIES]
    with door(tmp_path_factory.mktemp("instances"), *names) as opened:
        yield opened


def study_path(held: Door, name: str) -> str:
    return held.at(name).partition("/series/")[0]


def series_path(held: Door, name: str) -> str:
    return held.at(name).rpartition("/instances/")[0]


@pytest.mark.parametrize("name", [EVLE, RLE, JPEG])
async def test_an_instance_leaves_as_it_was_stored(held: Door, name: str) -> None:
    (part,) = parts(await held.get(held.at(name), AS_STORED))
    original = pydicom.dcmread(corpus.path(name))
    assert part.headers["Content-Type"] == (
        f"application/dicom; transfer-syntax={original.file_meta.TransferSyntaxUID}"
    )
    assert part.headers["Content-Location"] == BASE + held.at(name)
    assert pydicom.dcmread(BytesIO(part.body)) == original


@pytest.mark.parametrize("accept", [DICOM, AS_STORED, "application/dicom", "*/*", None])
@pytest.mark.parametrize("name", [IVLE, EVBE, DEFLATED])
async def test_what_may_not_leave_as_it_is_leaves_as_explicit_little_endian(
    held: Door, name: str, accept: str | None
) -> None:
    answer = await held.get(held.at(name), accept)
    body = answer.content if answer.headers["content-type"].startswith("application/dicom") else parts(answer)[0].body
    assert int(answer.headers["content-length"]) == len(answer.content)
    got, original = pydicom.dcmread(BytesIO(body)), pydicom.dcmread(corpus.path(EVLE))
    assert got.file_meta.TransferSyntaxUID == ELE
    assert got.PixelData == original.PixelData
    assert got.Rows == original.Rows and got.PatientName == original.PatientName


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
async def test_implicit_and_big_endian_never_leave(held: Door, syntax: str) -> None:
    assert (await held.get(held.at(IVLE), f"{DICOM}; transfer-syntax={syntax}")).status_code == 406


@pytest.mark.parametrize("name", [EVLE, IVLE])
async def test_a_single_instance_comes_bare_and_in_ranges(held: Door, name: str) -> None:
    whole = await held.get(held.at(name), "application/dicom; transfer-syntax=*")
    assert whole.headers["content-type"] == f"application/dicom; transfer-syntax={ELE}"
    assert whole.content[128:132] == b"DICM"
    part = await held.get(held.at(name), "application/dicom; transfer-syntax=*", range="bytes=1000-4999")
    assert (part.status_code, part.content) == (206, whole.content[1000:5000])


@pytest.mark.parametrize("scope", [series_path, study_path])
async def test_a_series_or_study_is_all_its_instances_in_a_stable_order(held: Door, scope) -> None:  # type: ignore[no-untyped-def]
    path = scope(held, SERIES[0])
    first, second = await held.get(path, AS_STORED), await held.get(path, AS_STORED)
    assert first.content == second.content
    assert int(first.headers["content-length"]) == len(first.content)
    got = [pydicom.dcmread(BytesIO(part.body)) for part in parts(first)]
    assert [each.InstanceNumber for each in got] == sorted(each.InstanceNumber for each in got)
    assert {each.SOPInstanceUID for each in got} == {held.keys[name].instance for name in SERIES}
    again = await held.get(path, AS_STORED, if_none_match=first.headers["etag"])
    assert again.status_code == 304


async def test_a_study_is_never_single_part(held: Door) -> None:
    assert (await held.get(study_path(held, EVLE), "application/dicom")).status_code == 406


async def test_rewritten_instances_of_a_study_are_streamed(tmp_path: Path) -> None:
    original = pydicom.dcmread(corpus.path(IVLE))
    with door(tmp_path) as held:
        for number in (1, 2, 3):
            dataset = pydicom.dcmread(corpus.path(IVLE))
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
            dataset.InstanceNumber = number
            implicit = BytesIO()
            dataset.save_as(implicit)
            held.held.take_bytes(implicit.getvalue())
        answer = await held.get(f"/studies/{original.StudyInstanceUID}", AS_STORED)
        got = [pydicom.dcmread(BytesIO(part.body)) for part in parts(answer)]
        assert [each.SOPInstanceUID for each in got] == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
        assert [each.PixelData for each in got] == [original.PixelData] * 3
        assert {each.file_meta.TransferSyntaxUID for each in got} == {ELE}
        ranged = await held.get(f"/studies/{original.StudyInstanceUID}", AS_STORED, range="bytes=0-9")
        assert ranged.status_code == 200


async def test_what_is_not_here_is_not_found(held: Door) -> None:
    own, other = held.keys[EVLE], held.keys[SERIES[0]]
    assert (await held.get("/studies/1.2.3.4", AS_STORED)).status_code == 404
    assert (await held.get(f"/studies/{own.study}/series/{other.series}", AS_STORED)).status_code == 404


async def test_head_of_a_study_reads_nothing(held: Door) -> None:
    head = await held.get(study_path(held, SERIES[0]), AS_STORED, method="HEAD")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-type"].startswith('multipart/related; type="application/dicom"')


async def test_octets_of_an_instance_are_its_bulk_data(held: Door) -> None:
    (part,) = parts(await held.get(held.at(EVLE), 'multipart/related; type="application/octet-stream"'))
    assert part.body == pydicom.dcmread(corpus.path(EVLE)).PixelData
    assert part.headers["Content-Location"] == f"{BASE}{held.at(EVLE)}/bulkdata/7FE00010"
