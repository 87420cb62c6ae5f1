"""Pixels in another transfer syntax than they are stored in (C-30 to C-33, W-04, T-09, T-12)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from dicomweb_server.dicom import syntaxes
from dicomweb_server.web.app import make_app
from dicomweb_server.web.transcoding import MADE_BEFORE
from tests import corpus
from tests.web.retrieving import Door, door, instance_path, parts
from tests.web.serving import serving

ELE = syntaxes.EXPLICIT_LE
OCTETS = "application/octet-stream"
CT, RGB, CINE = "generated/ts/ct_evle.dcm", "generated/ts/rgb_evle.dcm", "generated/mod/xa_cine_12frames_jpegll.dcm"
SEGMENTS, FLOATS = "generated/mod/seg_binary_deflated_frame.dcm", "generated/mod/parametric_map_float.dcm"
JLS, JPEG = "generated/ts/ct_jls_lossless.dcm", "generated/ts/rgb_jpeg_ybr422.dcm"
LOSSLESS = sorted(
    {
        syntaxes.RLE,
        syntaxes.JPEG_LOSSLESS,
        syntaxes.JPEG_LOSSLESS_SV1,
        syntaxes.JPEG_LS,
        syntaxes.JPEG_2000_LOSSLESS,
        syntaxes.HTJ2K_LOSSLESS,
        syntaxes.HTJ2K_LOSSLESS_RPCL,
    }
)
STORED = [
    "generated/ts/ct_rle.dcm",
    JLS,
    "generated/ts/ct_jpeg_lossless_p14.dcm",
    "generated/ts/ct_jpeg_lossless_sv1.dcm",
    "generated/ts/ct_j2k_lossless_u12.dcm",
    "generated/ts/ct_htj2k_lossless.dcm",
    "generated/ts/ct_htj2k_rpcl.dcm",
    "generated/ts/ct_jxl_lossless.dcm",
    "generated/ts/ct_deflated_frame.dcm",
    CINE,
]
"""One of every lossless encoding."""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    names = dict.fromkeys([CT, RGB, CINE, SEGMENTS, FLOATS, JLS, JPEG, *STORED])
    with door(tmp_path_factory.mktemp("transcoding"), *names) as opened:
        yield opened


async def instance(held: Door, name: str, syntax: str | None) -> bytes:
    wanted = "application/dicom" + (f"; transfer-syntax={syntax}" if syntax else "")
    answer = await held.get(held.at(name), wanted)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={syntax or ELE}"
    assert len(answer.content) == int(answer.headers["content-length"])
    return answer.content


def decoded(file: bytes, folder: Path) -> NDArray[np.generic]:
    """By pydicom's decoders, or dcmtk's where it has none."""
    read = pydicom.dcmread(io.BytesIO(file))
    syntax = read.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        tool = shutil.which("dcmdjpls" if syntax == syntaxes.JPEG_LS else "dcmdjpeg")
        assert tool is not None, "dcmtk is needed"
        (folder / "in.dcm").write_bytes(file)
        subprocess.run([tool, folder / "in.dcm", folder / "out.dcm"], check=True)
        read = pydicom.dcmread(folder / "out.dcm")
    pixels: NDArray[np.generic] = read.pixel_array
    return pixels


def complaints(file: Path) -> str:
    """What dcmtk has to say against a file."""
    return subprocess.run(["dcmdump", "-q", file], capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("name", STORED)
async def test_a_frame_is_decoded_unless_a_transfer_syntax_is_named(held: Door, name: str) -> None:
    truth = corpus.expected()[name]["frames_sha256"]
    for number in {1, len(truth)}:
        answer = await held.get(f"{held.at(name)}/frames/{number}", OCTETS)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == f"{OCTETS}; transfer-syntax={ELE}"
        assert hashlib.sha256(answer.content).hexdigest() == truth[number - 1]


async def test_any_accept_means_decoded_frames_in_parts(held: Door) -> None:
    answer = await held.get(held.at(CINE) + "/frames/1,5,6,7,8,12", "*/*")
    found = parts(answer)
    truth = corpus.expected()[CINE]["frames_sha256"]
    assert [hashlib.sha256(part.body).hexdigest() for part in found] == [truth[n - 1] for n in (1, 5, 6, 7, 8, 12)]
    assert {part.headers["Content-Type"] for part in found} == {f"{OCTETS}; transfer-syntax={ELE}"}


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("name", [CT, RGB, CINE, JLS])
async def test_an_instance_keeps_its_pixels_in_every_lossless_syntax(
    held: Door, name: str, syntax: str, tmp_path: Path
) -> None:
    file = await instance(held, name, syntax)
    (tmp_path / "original").mkdir()
    expected = decoded(corpus.file(name), tmp_path / "original")
    assert np.array_equal(decoded(file, tmp_path), expected)


@pytest.mark.parametrize("name", [*STORED, SEGMENTS])
async def test_an_instance_comes_as_explicit_little_endian_unless_one_is_named(
    held: Door, name: str, tmp_path: Path
) -> None:
    (tmp_path / "instance.dcm").write_bytes(await instance(held, name, None))
    assert complaints(tmp_path / "instance.dcm") == ""
    after, before = pydicom.dcmread(tmp_path / "instance.dcm"), pydicom.dcmread(corpus.path(name))
    changed = {each.keyword for each in after if each.tag not in before or before[each.tag].value != each.value}
    assert changed <= {"PixelData", "PlanarConfiguration", "PhotometricInterpretation"}
    assert {each.tag for each in before} - {each.tag for each in after} <= {0x7FE00001, 0x7FE00002}
    truth = corpus.expected()[name]["frames_sha256"]
    frames = after.pixel_array.reshape(len(truth), -1)
    assert [hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames] == truth


@pytest.mark.parametrize("syntax", [syntaxes.JPEG_BASELINE, syntaxes.JPEG_2000, syntaxes.JPEG_LS_NEAR])
async def test_what_becomes_lossy_says_so(held: Door, syntax: str) -> None:
    file = pydicom.dcmread(io.BytesIO(await instance(held, RGB, syntax)))
    assert file.LossyImageCompression == "01"
    assert float(file.LossyImageCompressionRatio) > 1
    assert file.LossyImageCompressionMethod


@pytest.mark.parametrize("kind", ["image/jpeg", "image/jls", "image/jp2", "image/jphc", "image/dicom-rle"])
async def test_a_named_image_type_gives_its_lossless_form(held: Door, kind: str) -> None:
    answer = await held.get(held.at(CT) + "/frames/1", kind)
    assert answer.status_code == 200, answer.text
    label = answer.headers["content-type"]
    assert label == f"{kind}; transfer-syntax={syntaxes.MEDIA_TYPES[kind][0]}"
    assert not syntaxes.syntax_of(syntaxes.MEDIA_TYPES[kind][0]).lossy


async def test_stored_bytes_stay_what_they_are_for_a_star(held: Door) -> None:
    assert await instance(held, JLS, syntaxes.JPEG_LS) == corpus.file(JLS)
    answer = await held.get(held.at(JLS), "application/dicom; transfer-syntax=*")
    assert answer.content == corpus.file(JLS)


async def test_what_a_type_cannot_hold_falls_to_the_next_accepted(held: Door) -> None:
    answer = await held.get(held.at(FLOATS) + "/frames/1", f"image/jls, {OCTETS};q=0.5")
    assert answer.headers["content-type"] == f"{OCTETS}; transfer-syntax={ELE}"
    alone = await held.get(held.at(FLOATS) + "/frames/1", "image/jls")
    assert alone.status_code == 406
    assert "native" in alone.text


def broken(folder: Path, study: str) -> Path:
    """An instance of ``study`` whose compressed pixels are rubbish."""
    file = pydicom.dcmread(corpus.path(JLS))
    file.StudyInstanceUID = study
    file.PixelData = encapsulate([b"\xff\xd8\xff" + bytes(2000)])
    path = folder / "broken.dcm"
    file.save_as(path)
    return path


async def test_broken_pixels_can_be_had_as_stored_only(tmp_path: Path) -> None:
    with door(tmp_path / "door") as held:
        path = broken(tmp_path, "1.2.3")
        place = instance_path(held.held.take(path))
        for wanted in (f"{place}/frames/1", place):
            kind = "application/dicom" if wanted == place else OCTETS
            refused = await held.get(wanted, kind)
            assert refused.status_code == 406
            assert (await held.get(wanted, f"{kind}; transfer-syntax=*")).status_code == 200
        assert (await held.get(place, "application/dicom; transfer-syntax=*")).content[132:] == path.read_bytes()[132:]


@pytest.mark.parametrize("accept", [OCTETS, f"{OCTETS}; transfer-syntax=*", "image/jpeg"])
async def test_compressed_pixels_are_never_given_as_uncompressed_ones(tmp_path: Path, accept: str) -> None:
    """The file says Explicit VR Little Endian and has JPEG in it."""
    with door(tmp_path / "door", "malformed/ts_lie_jpeg_as_native.dcm") as held:
        place = held.at("malformed/ts_lie_jpeg_as_native.dcm")
        refused = await held.get(f"{place}/frames/1", accept)
        assert refused.status_code == 406
        assert "the pixels are compressed" in refused.text
        assert (await held.get(f"{place}/pixeldata", accept)).status_code == 406
        assert (await held.get(place, "application/dicom; transfer-syntax=*")).status_code == 200


async def test_where_only_some_can_be_given_the_rest_comes_with_a_warning(tmp_path: Path) -> None:
    with door(tmp_path / "door", RGB) as held:
        key = held.keys[RGB]
        held.held.take(broken(tmp_path, key.study))
        answer = await held.get(f"/studies/{key.study}", 'multipart/related; type="application/dicom"')
        assert answer.status_code == 206
        assert "1 instances cannot be given" in answer.headers["warning"]
        (part,) = parts(answer)
        assert pydicom.dcmread(io.BytesIO(part.body)).SOPInstanceUID == key.instance


def test_of_many_instances_one_that_broke_an_answer_off_is_left_out_of_the_next(tmp_path: Path) -> None:
    with door(tmp_path / "door") as held:
        file = pydicom.dcmread(corpus.path("generated/ts/ct_rle.dcm"))
        for number in range(MADE_BEFORE):
            file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number + 1}"
            file.save_as(tmp_path / "whole.dcm")
            held.held.take(tmp_path / "whole.dcm")
        held.held.take(broken(tmp_path, file.StudyInstanceUID))
        every = {"accept": 'multipart/related; type="application/dicom"'}
        with serving(make_app(held.services)) as (host, port):
            study = f"http://{host}:{port}/dicomweb/studies/{file.StudyInstanceUID}"
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(study, headers=every)
            answer = httpx.get(study, headers=every)
        assert answer.status_code == 206
        assert "1 instances cannot be given" in answer.headers["warning"]
        assert len(parts(answer)) == MADE_BEFORE


async def test_however_many_ask_a_frame_is_transcoded_once(tmp_path: Path) -> None:
    with door(tmp_path, CINE) as held:
        calls: list[str] = []
        rendered = held.services.transcoded.rendered
        run = rendered.pool.run

        async def counted(work, *args, **kwargs):  # type: ignore[no-untyped-def]
            calls.append(work.__name__)
            await asyncio.sleep(0)
            return await run(work, *args, **kwargs)

        rendered.pool.run = counted  # type: ignore[method-assign]
        answers = await asyncio.gather(*(held.get(held.at(CINE) + "/frames/3", OCTETS) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert calls == ["saved"]
