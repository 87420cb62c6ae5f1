"""Whole files in another transfer syntax: what stands beside the pixels, as pydicom reads it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.drawing import transcode_file, transcode_frames
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.dicom.transcoded import write_transcoded
from dicomweb_server.model.errors import NotFound
from tests import corpus
from tests.dicom.reading_files import read_by_pydicom, written

J2K = "generated/ts/rgb_j2k_rct.dcm"
ICON = np.random.default_rng(7).integers(0, 256, (16, 15)).astype(np.uint8)


def transcoded(data: bytes, target: str) -> Any:
    out = io.BytesIO()
    write_transcoded(BytesSource(data), target, out)
    return pydicom.dcmread(io.BytesIO(out.getvalue()))


def with_icon(pixels: bytes) -> bytes:
    ds = read_by_pydicom(corpus.file(J2K))
    icon = pydicom.Dataset()
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.Rows, icon.Columns = ICON.shape
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.PixelData = encapsulate([pixels])
    icon["PixelData"].VR, icon["PixelData"].is_undefined_length = "OB", True
    ds.IconImageSequence = [icon]
    return written(ds, ds.file_meta.TransferSyntaxUID)


@pytest.mark.parametrize("target", [EXPLICIT_LE, syntaxes.RLE])
def test_a_compressed_icon_does_not_stay_compressed_as_the_image_was(target: str) -> None:
    data = with_icon(bytes(imagecodecs.jpeg2k_encode(ICON, codecformat="j2k", reversible=True)))
    (icon,) = transcoded(data, target).IconImageSequence
    assert not icon["PixelData"].is_undefined_length
    assert icon.PixelData == ICON.tobytes()


def test_an_icon_that_cannot_be_decoded_is_left_out() -> None:
    found = transcoded(with_icon(b"\xff\x4f\xff\x51 and nothing more"), EXPLICIT_LE)
    assert "IconImageSequence" not in found
    assert len(found.PixelData) == found.Rows * found.Columns * 3


def test_private_elements_behind_the_pixels_are_kept_and_signatures_are_not() -> None:
    ds = read_by_pydicom(corpus.file(J2K))
    ds.add_new(0x7FE10010, "LO", "MAKER")
    ds.add_new(0x7FE11001, "OB", b"1234")
    ds.add_new(0xFFFAFFFA, "SQ", [pydicom.Dataset()])
    ds.add_new(0xFFFCFFFC, "OB", bytes(8))
    found = transcoded(written(ds, ds.file_meta.TransferSyntaxUID), syntaxes.RLE)
    assert found[0x7FE11001].value == b"1234"
    assert list(found.keys())[-3:] == [0x7FE00010, 0x7FE10010, 0x7FE11001]


def test_frames_of_single_bits_are_joined_without_gaps() -> None:
    """Three frames of 7 x 9 pixels, which are one fragment each when deflated, and 189 bits together."""
    bits = np.random.default_rng(8).integers(0, 2, (3, 7, 9)).astype(np.uint8)
    ds = read_by_pydicom(corpus.file("generated/mod/seg_binary.dcm"))
    ds.Rows, ds.Columns, ds.NumberOfFrames = 7, 9, 3
    ds.PixelData = encapsulate([np.packbits(frame, bitorder="little").tobytes() for frame in bits])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    found = transcoded(written(ds, syntaxes.ENCAPSULATED_UNCOMPRESSED), EXPLICIT_LE)
    assert np.array_equal(found.pixel_array, bits)
    rle = transcoded(written(ds, syntaxes.ENCAPSULATED_UNCOMPRESSED), syntaxes.RLE)
    assert rle.PhotometricInterpretation == "MONOCHROME2"


def test_float_pixels_stay_float_pixels() -> None:
    """Also where an encapsulated transfer syntax holds them as they are."""
    plain = read_by_pydicom(corpus.file("generated/mod/parametric_map_float.dcm"))
    data = written(plain, EXPLICIT_LE).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1)
    found = transcoded(data, EXPLICIT_LE)
    assert found.FloatPixelData == plain.FloatPixelData
    assert found["FloatPixelData"].VR == "OF"
    assert "PixelData" not in found and "BitsStored" not in found


def test_the_ratio_of_a_lossy_file_is_that_of_all_frames() -> None:
    name = "generated/mod/nm_dynamic_8frames.dcm"
    found = transcoded(corpus.file(name), syntaxes.JPEG_2000)
    assert get_decoder(syntaxes.JPEG_2000).as_array(found, raw=True)[0].shape[0] == 8
    frames = list(pydicom.encaps.generate_frames(found.PixelData, number_of_frames=8))
    plain = len(read_by_pydicom(corpus.file(name)).PixelData)
    coded = sum(len(frame.rstrip(b"\0")) for frame in frames)
    assert float(found.LossyImageCompressionRatio) == pytest.approx(plain / coded, rel=0.02)


def test_a_photometric_interpretation_of_broken_letters_breaks_nothing() -> None:
    data = corpus.file("generated/ts/ct_evle.dcm").replace(b"MONOCHROME2", b"\xffONOCHROME2", 1)
    assert "ONOCHROME2" in transcoded(data, syntaxes.JPEG_LS).PhotometricInterpretation


def of_many_frames(path: Path, frame: bytes, count: int) -> Path:
    ds = read_by_pydicom(corpus.file(J2K))
    ds.NumberOfFrames, ds.PixelData = count, encapsulate([frame] * count)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    path.write_bytes(written(ds, ds.file_meta.TransferSyntaxUID))
    return path


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_of_many_frames_each_costs_one_frame_and_not_the_whole_header(tmp_path: Path) -> None:
    """Also when the file is another one by then, which stored files never are."""
    ds = read_by_pydicom(corpus.file(J2K))
    frame = next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
    path = of_many_frames(tmp_path / "many.dcm", frame, 400)
    (first,) = transcode_frames(str(path), [200], EXPLICIT_LE)
    before = bytes_read()
    (again,) = transcode_frames(str(path), [399], EXPLICIT_LE)
    assert bytes_read() - before < 2 * len(frame) + 4096 < path.stat().st_size / 20
    assert again.data == first.data
    of_many_frames(path, frame, 300)
    with pytest.raises(NotFound):
        transcode_frames(str(path), [399], EXPLICIT_LE)


@pytest.mark.parametrize("number", [52, 53, 54, 55, 56])
def test_retired_kinds_of_jpeg_are_decoded_and_called_lossy(number: int) -> None:
    ds = read_by_pydicom(corpus.file("generated/ts/ct_evle.dcm"))
    ds.Rows, ds.Columns = ICON.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    coded = io.BytesIO()
    Image.fromarray(ICON).save(coded, "JPEG", progressive=True)
    ds.PixelData = encapsulate([coded.getvalue()])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    data = written(ds, syntaxes.JPEG_BASELINE)
    renamed = data.replace(b"1.2.840.10008.1.2.4.50", f"1.2.840.10008.1.2.4.{number}".encode(), 1)
    found = transcoded(renamed, EXPLICIT_LE)
    assert found.PixelData == np.asarray(Image.open(coded)).tobytes()
    assert found.LossyImageCompression == "01"


def test_many_frames_are_gathered_where_the_draft_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's folder for temporary files may be small, or not there at all."""
    monkeypatch.setattr("dicomweb_server.dicom.transcoded._IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    transcode_file(str(corpus.path(J2K)), str(tmp_path / "draft"), EXPLICIT_LE)
    assert pydicom.dcmread(tmp_path / "draft").pixel_array.shape[-1] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["draft"]
