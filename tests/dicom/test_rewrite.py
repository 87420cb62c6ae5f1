"""Rewriting to Explicit VR Little Endian, judged by pydicom and dcmtk."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest

from dicomweb_server.dicom.rewrite import explicit_le, same_content
from dicomweb_server.dicom.source import BytesSource, FileSource
from tests import corpus
from tests.dicom.reading_files import metadata_of, read_by_pydicom

NATIVE = [
    "generated/ts/ct_ivle.dcm",
    "generated/ts/ct_evbe.dcm",
    "generated/ts/ct_deflated.dcm",
    "generated/mod/cr_mono1_10bit_modalitylut.dcm",
    "generated/mod/nm_dynamic_8frames.dcm",
    "generated/structure/private_blocks_implicit.dcm",
    "generated/structure/no_meta_implicit.dcm",
    "generated/structure/no_meta_bigendian.dcm",
    "generated/structure/meta_says_explicit_body_implicit.dcm",
]


def rewritten(name: str) -> bytes:
    made = explicit_le(BytesSource(corpus.file(name)))
    data = b"".join(made)
    assert len(data) == made.size
    return data


@pytest.mark.parametrize("name", NATIVE)
def test_what_pydicom_reads_is_the_same_after_rewriting(name: str) -> None:
    data = rewritten(name)
    before, after = read_by_pydicom(corpus.file(name)), pydicom.dcmread(io.BytesIO(data))
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert after.file_meta.MediaStorageSOPInstanceUID == before.SOPInstanceUID
    assert metadata_of(BytesSource(data)) == metadata_of(BytesSource(corpus.file(name)))
    assert after.pixel_array.tobytes() == pixels(before)


def pixels(data_set: Any) -> bytes:
    if not hasattr(data_set, "file_meta") or "TransferSyntaxUID" not in data_set.file_meta:
        data_set.file_meta = pydicom.dataset.FileMetaDataset()
        encoding = data_set.original_encoding
        data_set.file_meta.TransferSyntaxUID = {
            (True, True): "1.2.840.10008.1.2",
            (False, True): "1.2.840.10008.1.2.1",
            (False, False): "1.2.840.10008.1.2.2",
        }[encoding]
    raw: bytes = data_set.pixel_array.astype(data_set.pixel_array.dtype.newbyteorder("<")).tobytes()
    return raw


@pytest.mark.parametrize("name", NATIVE)
def test_dcmtk_reads_the_same_pixels(name: str, tmp_path: Path) -> None:
    dcmconv = shutil.which("dcmconv")
    if dcmconv is None:
        return
    (tmp_path / "in.dcm").write_bytes(corpus.file(name))
    subprocess.run([dcmconv, "-q", "+te", tmp_path / "in.dcm", tmp_path / "out.dcm"], check=False)
    if not (tmp_path / "out.dcm").exists():
        return
    by_dcmtk = pydicom.dcmread(tmp_path / "out.dcm")
    assert pydicom.dcmread(io.BytesIO(rewritten(name))).PixelData == by_dcmtk.PixelData


@pytest.mark.parametrize("name", ["generated/ts/ct_evle.dcm", "generated/ts/ct_j2k_lossless_s16.dcm"])
def test_what_may_leave_as_it_is_leaves_as_it_is(name: str) -> None:
    assert rewritten(name) == corpus.file(name)


def test_a_value_too_long_for_its_vr_becomes_un() -> None:
    data_set = pydicom.dcmread(corpus.path("generated/ts/ct_ivle.dcm"))
    data_set.add_new(0x300A0010, "LO", "x")
    data_set.add_new(0x30060050, "DS", ["1.25"] * 20_000)
    out = io.BytesIO()
    data_set.save_as(out)
    after = pydicom.dcmread(io.BytesIO(b"".join(explicit_le(BytesSource(out.getvalue())))))
    assert after.get_item(0x30060050).VR == "UN"
    assert after.get_item(0x30060050).value == b"\\".join([b"1.25"] * 20_000) + b" "


def test_the_same_data_set_in_other_encodings_is_the_same_content() -> None:
    plain, implicit, big, deflated = (
        BytesSource(corpus.file(f"generated/ts/ct_{form}.dcm")) for form in ("evle", "ivle", "evbe", "deflated")
    )
    rewrites = [BytesSource(b"".join(explicit_le(other))) for other in (implicit, big, deflated)]
    for other, again in zip((implicit, big, deflated), rewrites, strict=True):
        assert same_content(other, again)
        assert not same_content(plain, BytesSource(corpus.file("generated/ts/ct_rle.dcm")))


def test_other_pixels_are_other_content() -> None:
    one, other = (corpus.path(f"generated/odd/duplicate_uid_{which}.dcm") for which in "ab")
    with FileSource(one) as first, FileSource(other) as second:
        assert same_content(first, first)
        assert not same_content(first, second)
