from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.dicom.frames import FrameIndex
from dicomweb_server.ingest.staged import read_staged
from dicomweb_server.model.errors import BackendFailed, Rejected
from dicomweb_server.model.ids import DEFAULT_TENANT
from tests.ingest.files import part10


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    return tmp_path / "a.part"


def data_set_of(body: bytes) -> bytes:
    """From (0008,0016) on: the first element of the data sets made here."""
    return body[body.index(b"\x08\x00\x16\x00") :]


def test_a_sound_file_is_left_alone(staged: Path) -> None:
    staged.write_bytes(part10())
    assert read_staged(staged, DEFAULT_TENANT).warnings == ()
    assert staged.read_bytes() == part10()


def test_the_preamble_is_zeroed(staged: Path) -> None:
    staged.write_bytes(part10(preamble=b"II*\0" + b"x" * 124))
    read_staged(staged, DEFAULT_TENANT)
    assert staged.read_bytes() == part10()


def test_the_preamble_may_be_kept(staged: Path) -> None:
    staged.write_bytes(part10(preamble=b"x" * 128))
    read_staged(staged, DEFAULT_TENANT, zero_preamble=False)
    assert staged.read_bytes() == part10(preamble=b"x" * 128)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("cut", ["preamble", "group 2"])
def test_what_is_missing_before_the_data_set_is_put_there(staged: Path, cut: str, implicit: bool) -> None:
    whole = part10(implicit=implicit)
    staged.write_bytes(whole[132:] if cut == "preamble" else data_set_of(whole))
    derived = read_staged(staged, DEFAULT_TENANT)
    assert data_set_of(staged.read_bytes()) == data_set_of(whole)
    assert derived.size == staged.stat().st_size
    assert "the file has no preamble" in derived.warnings
    made = pydicom.dcmread(BytesIO(staged.read_bytes()))
    assert made.file_meta.TransferSyntaxUID == pydicom.dcmread(BytesIO(whole)).file_meta.TransferSyntaxUID
    assert made.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4.5"
    assert [path.name for path in staged.parent.iterdir()] == ["a.part"]


def test_the_frame_index_fits_the_rewritten_file(staged: Path) -> None:
    staged.write_bytes(data_set_of(part10()))
    derived = read_staged(staged, DEFAULT_TENANT)
    assert derived.frames is not None
    (span,) = FrameIndex.decode(derived.frames).spans(1)
    assert staged.read_bytes()[span.start : span.end] == bytes(range(64))


def test_junk_is_rejected_and_a_missing_file_is_our_failure(staged: Path) -> None:
    staged.write_bytes(b"junk")
    with pytest.raises(Rejected):
        read_staged(staged, DEFAULT_TENANT)
    staged.unlink()
    with pytest.raises(BackendFailed):
        read_staged(staged, DEFAULT_TENANT)
