"""A study, series or instance as a ZIP archive (W-07)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from starlette.types import Message

from dicomweb_server.web import zipped
from dicomweb_server.web.app import make_app
from tests import corpus
from tests.web.retrieving import Door, asgi_scope, door, waiting

ZIP = "application/zip"
ELE = "1.2.840.10008.1.2.1"
IVLE, RLE, VIDEO = "generated/ts/ct_ivle.dcm", "generated/ts/ct_rle.dcm", "generated/mod/video_mpeg4_avc.dcm"
SERIES = [f"generated/series/ct_{n:03d}.dcm" for n in range(5)]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("zip"), IVLE, RLE, VIDEO, *SERIES) as opened:
        yield opened


def study(held: Door, name: str) -> str:
    return f"/studies/{held.keys[name].study}"


def series(held: Door, name: str) -> str:
    return held.at(name).rpartition("/instances/")[0]


@pytest.mark.parametrize("scope", [study, series])
async def test_a_study_or_series_is_an_archive_of_its_files_as_stored(held: Door, scope) -> None:  # type: ignore[no-untyped-def]
    answer = await held.get(scope(held, SERIES[0]), ZIP)
    uid = scope(held, SERIES[0]).rpartition("/")[2]
    assert (answer.status_code, answer.headers["content-type"]) == (200, ZIP)
    assert answer.headers["content-disposition"] == f'attachment; filename="{uid}.zip"'
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        for name in SERIES:
            key = held.keys[name]
            entry = f"{key.study}/{key.series}/{key.instance}.dcm"
            assert archive.read(entry) == corpus.path(name).read_bytes()
        assert len(archive.namelist()) == len(SERIES)


async def test_an_instance_by_the_accept_parameter(held: Door) -> None:
    """As a link in a page asks for it: the header of a browser is passed over."""
    answer = await held.get(f"{held.at(RLE)}?accept=application/zip", "text/html,*/*;q=0.8")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.read(zipped.name_of(held.keys[RLE])) == corpus.path(RLE).read_bytes()


@pytest.mark.parametrize(("name", "accept"), [(SERIES[0], ZIP), (RLE, f"{ZIP}; transfer-syntax={ELE}")])
async def test_the_archive_is_read_by_unzip(held: Door, tmp_path: Path, name: str, accept: str) -> None:
    """Also with sizes of eight bytes, as they are written where a size is not known beforehand."""
    program = shutil.which("unzip")
    assert program is not None, "unzip is not installed"
    path = tmp_path / "study.zip"
    path.write_bytes((await held.get(study(held, name), accept)).content)
    reading = await asyncio.create_subprocess_exec(program, "-t", path, stdout=subprocess.PIPE)
    told, _ = await reading.communicate()
    assert reading.returncode == 0, told


async def test_what_may_not_leave_as_it_is_is_explicit_little_endian_in_the_archive(held: Door) -> None:
    answer = await held.get(held.at(IVLE), ZIP)
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        got = pydicom.dcmread(BytesIO(archive.read(zipped.name_of(held.keys[IVLE]))))
    assert got.file_meta.TransferSyntaxUID == ELE
    assert got.PixelData == pydicom.dcmread(corpus.path(IVLE)).PixelData


async def test_the_archive_in_a_transfer_syntax_that_is_named(held: Door) -> None:
    answer = await held.get(held.at(RLE), f"{ZIP}; transfer-syntax={ELE}")
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        got = pydicom.dcmread(BytesIO(archive.read(zipped.name_of(held.keys[RLE]))))
    assert got.file_meta.TransferSyntaxUID == ELE
    assert (got.pixel_array == pydicom.dcmread(corpus.path(RLE)).pixel_array).all()
    assert (await held.get(held.at(VIDEO), f"{ZIP}; transfer-syntax={ELE}")).status_code == 406


async def test_two_archives_of_the_same_are_the_same(held: Door) -> None:
    path = study(held, SERIES[0])
    first, second = await held.get(path, ZIP), await held.get(path, ZIP)
    assert first.content == second.content and first.headers["etag"] == second.headers["etag"]
    assert (await held.get(path, ZIP, if_none_match=first.headers["etag"])).status_code == 304


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{ZIP}, application/dicom+json", ZIP),
        (f'multipart/related; type="application/dicom"; transfer-syntax=*, {ZIP};q=0.5', "multipart/related"),
        (f"{ZIP};q=0.5, */*;q=0.1", ZIP),
        (f"application/dicom, {ZIP}", ZIP),
        ("*/*", "multipart/related"),
    ],
)
async def test_the_archive_is_one_form_among_others(held: Door, accept: str, kind: str) -> None:
    answer = await held.get(study(held, SERIES[0]), accept)
    assert answer.headers["content-type"].partition(";")[0] == kind


async def test_what_is_not_here_has_no_archive(held: Door) -> None:
    assert (await held.get("/studies/1.2.3.4", ZIP)).status_code == 404


async def test_an_archive_leaves_while_it_is_written(held: Door) -> None:
    """A block for each file at least, and none that holds two: neither is the whole gathered first."""
    blocks: list[bytes] = []

    async def send(message: Message) -> None:
        blocks.append(message.get("body", b""))

    await make_app(held.services)(asgi_scope(f"/dicomweb{study(held, SERIES[0])}", ZIP), waiting, send)
    largest = max(corpus.path(name).stat().st_size for name in SERIES)
    assert len(blocks) > len(SERIES) and max(map(len, blocks)) < largest + 1000
