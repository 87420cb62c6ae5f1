"""Whole files of every kind to every transfer syntax and back, as decoders that are not ours see them.

A small file of each kind everywhere; all of the corpus in scripts/check-all.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.pixels.utils import pixel_array

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.drawing import transcode_file
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, TARGETS
from dicomweb_server.model.errors import NotAcceptable, Rejected
from tests import corpus
from tests.journeys.test_corpus import identified
from tests.pixels.test_decode import _known

LOSSY = {syntaxes.JPEG_BASELINE, syntaxes.JPEG_LS_NEAR, syntaxes.JPEG_2000, syntaxes.HTJ2K}
LARGEST = 64 << 20
"""Bytes of a file in the whole matrix: a larger one says no more."""
APART = {
    "generated/odd/wrong_vr_rows_sh.dcm",  # stays as it is, and dcmtk then refuses it
    "generated/odd/deflate_bomb.dcm",  # no server takes it
}
SMALL = [
    f"generated/{name}.dcm"
    for name in (
        "ts/ct_evle",
        "ts/ct_evbe",
        "ts/ct_deflated_frame",
        "ts/ct_jpeg_ext12",
        "ts/ct_htj2k_rpcl",
        "ts/ct_jxl_lossless",
        "ts/rgb_evle",
        "ts/rgb_j2k_rct",
        "ts/rgb_jpeg_ybr422",
        "encap/us_native_ybr422",
        "mod/cr_mono1_12bit_voilut",
        "mod/sc_palette_8bit_lut",
        "mod/sc_rgb_16bit",
        "mod/sc_signed12_garbage_high_bits",
        "mod/sc_highbit15_bs12",
        "mod/sc_mono_32bit",
        "mod/seg_binary",
        "mod/seg_labelmap_rle",
        "mod/parametric_map_float",
        "mod/parametric_map_double",
        "mod/xa_cine_12frames_jpegll",
    )
]
ALL = [
    name
    for name in corpus.names("generated/", "real/")
    if name not in APART.union(SMALL) and _known(name) and corpus.path(name).stat().st_size < LARGEST
]


def holds(target: str, ds: pydicom.Dataset) -> bool:
    """What the transfer syntaxes can hold (PS3.5 8.2)."""
    bits, signed = int(ds.BitsAllocated), int(ds.get("PixelRepresentation", 0))
    if target == EXPLICIT_LE:
        return True
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds or bits > 32:
        return False
    if target in LOSSY and ds.PhotometricInterpretation == "PALETTE COLOR":
        return False
    if target in LOSSY and bits > 1 and outside_of_stored(ds):
        return False
    if target == syntaxes.JPEG_BASELINE:
        return bits <= 8 and not signed
    if target == syntaxes.JPEG_LS_NEAR:
        return bits <= 16 and not signed
    return bits <= (32 if target == syntaxes.RLE else 16)


def outside_of_stored(ds: pydicom.Dataset) -> bool:
    """Whether cells have bits beside those that count, such as overlays."""
    if ds["PixelData"].is_undefined_length or ds.BitsStored == ds.BitsAllocated:
        return False
    order = ">" if ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2" else "<"
    cells = np.frombuffer(ds.PixelData, f"{order}{'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}")
    half = 1 << (ds.BitsStored - 1)
    low, high = (-half, half - 1) if ds.PixelRepresentation else (0, 2 * half - 1)
    return bool(ds.HighBit != ds.BitsStored - 1 or cells.min() < low or cells.max() > high)


def seen(path: Path) -> NDArray[Any]:
    """All cells of a file by pydicom's decoders, or by dcmtk's where it has none, YBR as it is but in lossy files."""
    ds = pydicom.dcmread(path)
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        words = ["dcmdjpls"] if "JPEG-LS" in syntax.name else ["dcmdjpeg", "--conv-never"]
        assert shutil.which(words[0]) is not None, "dcmtk is needed"
        plain = path.with_suffix(".plain")
        subprocess.run([*words, path, plain], check=True, capture_output=True, timeout=60)
        ds = pydicom.dcmread(plain)
    found: NDArray[Any] = pixel_array(ds, raw=syntax not in LOSSY)
    return found


def native(path: Path) -> bytes:
    ds = pydicom.dcmread(path)
    assert ds.file_meta.TransferSyntaxUID == EXPLICIT_LE
    element = next(ds[key] for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if key in ds)
    value: bytes = element.value
    return value


def through_every_target(name: str, folder: Path) -> None:
    original = pydicom.dcmread(corpus.path(name))
    plain = folder / "plain.dcm"
    transcode_file(str(corpus.path(name)), str(plain), EXPLICIT_LE)
    as_digested(name, original, plain)
    for target in sorted(TARGETS - {EXPLICIT_LE}):
        there, back = folder / f"{target}.dcm", folder / f"{target}.back.dcm"
        if not holds(target, original):
            with pytest.raises(NotAcceptable):
                transcode_file(str(corpus.path(name)), str(there), target)
            continue
        transcode_file(str(corpus.path(name)), str(there), target)
        assert pydicom.dcmread(there, stop_before_pixels=True).file_meta.TransferSyntaxUID == target
        transcode_file(str(there), str(back), EXPLICIT_LE)
        if target in LOSSY:
            near(there, plain, target)
            near(back, plain, target)
        else:
            assert native(back) == native(plain), target
            if original.BitsAllocated > 1:  # which no other decoder takes compressed
                assert same(seen(there), seen(plain), original), target


def same(found: NDArray[Any], wanted: NDArray[Any], ds: pydicom.Dataset) -> bool:
    """In the bits that are stored: pydicom clears the others of native cells alone."""
    if "PixelData" in ds and ds.BitsStored < ds.BitsAllocated:
        used = wanted.dtype.type((1 << int(ds.BitsStored)) - 1)
        return np.array_equal(found & used, wanted & used)
    return np.array_equal(found, wanted)


def as_digested(name: str, original: pydicom.Dataset, plain: Path) -> None:
    """Frames are those whose digests several decoders agree on; not where JPEG's colours are turned into RGB."""
    known = corpus.expected()[name]["frames_sha256"]
    if isinstance(known, dict) or "YBR" in original.PhotometricInterpretation or original.BitsAllocated == 1:
        return
    ds = pydicom.dcmread(plain)
    data = native(plain)
    size = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated // 8
    digests = [hashlib.sha256(data[at * size : (at + 1) * size]).hexdigest() for at in range(len(known))]
    assert digests in (known, corpus.generated().get(name, {}).get("truth"))


def near(path: Path, plain: Path, target: str) -> None:
    ds = pydicom.dcmread(path)
    if ds.BitsAllocated == 1:
        return
    wanted = pydicom.dcmread(plain)
    cells = pixel_array(wanted).astype(float)
    found = seen(path).astype(float)
    span = cells.max() - cells.min() or 1
    assert np.abs(found - cells).mean() <= max(0.03 * span, 2), target
    assert ds.LossyImageCompression == "01"


@pytest.mark.parametrize("name", SMALL)
def test_a_file_of_each_kind_goes_to_every_target_and_back(name: str, tmp_path: Path) -> None:
    through_every_target(name, tmp_path)


@pytest.mark.all_data
@pytest.mark.parametrize("name", ALL)
def test_every_file_goes_to_every_target_and_back(name: str, tmp_path: Path) -> None:
    if identified(name):
        through_every_target(name, tmp_path)
    else:
        with suppress(Rejected):  # which few could have stored
            transcode_file(str(corpus.path(name)), str(tmp_path / "plain.dcm"), EXPLICIT_LE)
