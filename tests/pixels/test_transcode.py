"""Frames go to every target and come back the same, also by decoders that are not ours."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.pixels.facts import image_facts
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.syntaxes import TARGETS
from dicomweb_server.dicom.transcode import transcode
from dicomweb_server.dicom.transcoded import write_transcoded
from dicomweb_server.model.errors import NotAcceptable
from tests import corpus
from tests.pixels.reading import attributes, dataset, facts_of, frames_of

LOSSLESS = [
    syntaxes.EXPLICIT_LE,
    syntaxes.RLE,
    syntaxes.JPEG_LOSSLESS,
    syntaxes.JPEG_LOSSLESS_SV1,
    syntaxes.JPEG_LS,
    syntaxes.JPEG_2000_LOSSLESS,
    syntaxes.HTJ2K_LOSSLESS,
    syntaxes.HTJ2K_LOSSLESS_RPCL,
]
LOSSY = sorted(TARGETS - set(LOSSLESS))
SOURCES = [
    f"generated/{name}.dcm"
    for name in ("ts/ct_evle", "ts/ct_evbe", "ts/ct_rle", "ts/rgb_evle", "ts/rgb_jpeg_ybr422", "mod/sc_rgb_16bit")
]
TOOLS = {
    syntaxes.RLE: "dcmdrle",
    syntaxes.JPEG_BASELINE: "dcmdjpeg",
    syntaxes.JPEG_LOSSLESS: "dcmdjpeg",
    syntaxes.JPEG_LOSSLESS_SV1: "dcmdjpeg",
    syntaxes.JPEG_LS: "dcmdjpls",
    syntaxes.JPEG_LS_NEAR: "dcmdjpls",
}


def _pydicom_reads(target: str) -> bool:
    return target != syntaxes.EXPLICIT_LE and bool(get_decoder(target).is_available)


def rewritten(name: str, target: str) -> pydicom.Dataset:
    """The whole file in ``target``, put together from our frames and attributes by pydicom."""
    ds = dataset(name)
    facts = facts_of(ds)
    parts = [transcode(frame, facts, target) for frame in frames_of(ds, facts)]
    ds.update(pydicom.Dataset.from_json(parts[0].attributes))
    native = target == syntaxes.EXPLICIT_LE
    if native:
        ds.PixelData = b"".join(part.data for part in parts)
        ds["PixelData"].is_undefined_length = False
    else:
        ds.PixelData = encapsulate([part.data for part in parts])
        ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OW" if native and facts.bits_allocated > 8 else "OB"
    ds.file_meta.TransferSyntaxUID = target
    return ds


@pytest.mark.parametrize("target", LOSSLESS)
@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_lost_on_the_way_to_a_lossless_target_and_back(name: str, target: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    for frame in frames_of(ds, facts):
        before = decode(frame, facts)
        there = transcode(frame, facts, target)
        then = image_facts(Attributes({**attributes(ds).data, **there.attributes}), target)
        after = decode(there.data, then)
        assert after.cells.dtype == before.cells.dtype
        assert np.array_equal(after.cells, before.cells)


@pytest.mark.parametrize("target", LOSSY)
@pytest.mark.parametrize("name", ["generated/ts/rgb_evle.dcm", "generated/mod/seg_fractional.dcm"])
def test_a_lossy_target_is_near_and_says_so(name: str, target: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    frame = frames_of(ds, facts)[0]
    there = transcode(frame, facts, target, quality=95)
    after = decode(there.data, image_facts(Attributes({**attributes(ds).data, **there.attributes}), target))
    before = decode(frame, facts)
    assert np.abs(after.cells.astype(int) - before.cells.astype(int)).mean() < 4
    assert there.attributes["00282110"]["Value"] == ["01"]


@pytest.mark.parametrize("target", [target for target in LOSSLESS if _pydicom_reads(target)])
@pytest.mark.parametrize("name", ["generated/ts/ct_evle.dcm", "generated/ts/rgb_evle.dcm"])
def test_pydicom_reads_what_we_write(name: str, target: str) -> None:
    found, _ = get_decoder(target).as_array(rewritten(name, target), raw=False)
    ds = dataset(name)
    facts = facts_of(ds)
    assert np.array_equal(found, decode(frames_of(ds, facts)[0], facts).cells)


@pytest.mark.parametrize("target", sorted(TOOLS))
@pytest.mark.parametrize("name", ["generated/ts/rgb_evle.dcm", "generated/mod/seg_fractional.dcm"])
def test_dcmtk_reads_what_we_write(name: str, target: str, tmp_path: Path) -> None:
    tool = shutil.which(TOOLS[target])
    if tool is None:
        pytest.skip("dcmtk is not installed")
    rewritten(name, target).save_as(tmp_path / "in.dcm", enforce_file_format=True)
    subprocess.run([tool, tmp_path / "in.dcm", tmp_path / "out.dcm"], check=True, capture_output=True, timeout=60)
    found = pydicom.dcmread(tmp_path / "out.dcm").pixel_array
    wanted = dataset(name).pixel_array
    assert np.abs(found.astype(int) - wanted.astype(int)).mean() <= (0 if target in LOSSLESS else 6)


def test_one_bit_frames_are_packed_from_the_first_bit() -> None:
    ds = dataset("generated/mod/seg_binary.dcm")
    facts = facts_of(ds)
    frame = frames_of(ds, facts)[1]
    assert transcode(frame, facts, syntaxes.EXPLICIT_LE).data == frame
    assert len(frame) == (facts.pixels + 7) // 8


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("generated/mod/parametric_map_float.dcm", syntaxes.JPEG_LS),
        ("generated/mod/sc_mono_32bit.dcm", syntaxes.HTJ2K_LOSSLESS),
        ("generated/ts/ct_evle.dcm", syntaxes.JPEG_BASELINE),
        ("generated/ts/ct_evle.dcm", "1.2.840.10008.1.2.4.100"),
    ],
)
def test_what_a_target_cannot_hold_is_not_acceptable(name: str, target: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    with pytest.raises(NotAcceptable):
        transcode(frames_of(ds, facts)[0], facts, target)


@pytest.mark.parametrize("colour", [b"MONO\xffHROME2", "MONOCHROMÉ2".encode()])
def test_a_file_whose_photometric_interpretation_is_no_ascii_is_transcoded(colour: bytes) -> None:
    made = io.BytesIO()
    broken = corpus.file("generated/ts/ct_evle.dcm").replace(b"MONOCHROME2 ", colour.ljust(12))
    write_transcoded(BytesSource(broken), syntaxes.RLE, made)
    read = pydicom.dcmread(io.BytesIO(made.getvalue()))
    assert read.PhotometricInterpretation.isascii()
    read.PhotometricInterpretation = "MONOCHROME2"
    assert np.array_equal(read.pixel_array, dataset("generated/ts/ct_evle.dcm").pixel_array)
