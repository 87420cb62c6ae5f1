"""Every image of the corpus decodes to what other decoders, or the script that made it, say is in it."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.pixels.facts import ImageFacts, image_facts
from dicomweb_server.dicom.pixels.families import family
from dicomweb_server.model.errors import Undecodable
from tests import corpus
from tests.pixels.reading import attributes, dataset, facts_of, frames_of

OTHERWISE = {
    # docs/pixels.md, "Where decoders disagree"
    "real/pydicom-data/JLSL_16_15_1_1F.dcm": "signed cells are sign extended",
    "real/pydicom/rtdose_expb.dcm": "32-bit cells in OW are turned around whole",
    "real/pydicom-data/mlut_18.dcm": "unused high bits stay as stored",
}

UNREADABLE_BY_PYDICOM = {
    "generated/encap/us_jpeg_trailing_garbage.dcm",
    "generated/odd/ds_comma.dcm",
    "generated/odd/ds_not_a_number.dcm",
    "generated/odd/missing_rows.dcm",
    "generated/odd/pixeldata_too_short.dcm",
    "generated/odd/rows_zero.dcm",
    "generated/odd/frames_zero.dcm",
    "generated/encap/us_jpeg_empty_fragment.dcm",
}


def _known(name: str) -> bool:
    facts = corpus.expected()[name]
    splits_frames_wrong = "us_jpeg_bot_" in name or "us_jpeg_eot_wrong" in name
    return (
        bool(facts.get("frames_sha256"))
        and family(facts.get("ts", "")) is not None
        and name not in OTHERWISE
        and name not in UNREADABLE_BY_PYDICOM
        and not (splits_frames_wrong and corpus.generated()[name]["odd"])
    )


def _hashes(name: str) -> list[str]:
    ds = dataset(name)
    facts = facts_of(ds)
    frames = (decode(frame, facts, keep_ybr=True) for frame in frames_of(ds, facts))
    return [hashlib.sha256(frame.cells.tobytes()).hexdigest() for frame in frames]


@pytest.mark.parametrize("name", [name for name in corpus.names("generated/", "real/") if _known(name)])
def test_frames_are_what_other_decoders_make_of_them(name: str) -> None:
    known = corpus.expected()[name]["frames_sha256"]
    truth = corpus.generated().get(name, {}).get("truth")
    hashes = _hashes(name)
    if isinstance(known, dict):
        assert (len(hashes), hashes[: len(known["first"])]) == (known["count"], known["first"])
    else:
        assert hashes in (truth, known)


@pytest.mark.parametrize(
    "name", [name for name in corpus.names("malformed/") if corpus.malformed()[name]["what"].startswith("meta names")]
)
def test_a_lying_transfer_syntax_is_named_not_obeyed(name: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    for frame in frames_of(ds, facts):
        with pytest.raises(Undecodable):
            decode(frame, facts)


@pytest.mark.parametrize(
    "kind", ["j2k_siz_huge", "jpeg_sof_huge", "ht_siz_components_16384", "rle_header_offsets_wild"]
)
def test_a_frame_larger_than_its_description_is_refused_before_decoding(kind: str) -> None:
    ds = dataset(f"malformed/{kind}.dcm")
    facts = facts_of(ds)
    with pytest.raises(Undecodable):
        decode(frames_of(ds, facts)[0], facts)


@pytest.mark.parametrize("name", ["bits_allocated_0", "bits_allocated_3", "bits_allocated_4096", "samples_255"])
def test_an_impossible_description_is_refused(name: str) -> None:
    ds = dataset(f"malformed/{name}.dcm")
    with pytest.raises(Undecodable):
        image_facts(attributes(ds), str(ds.file_meta.TransferSyntaxUID))


def test_a_frame_of_65535_by_65535_is_refused() -> None:
    with pytest.raises(Undecodable, match="larger than"):
        facts_of(dataset("generated/odd/rows_cols_65535.dcm"))


@pytest.mark.parametrize("name", [name for name in corpus.names("malformed/") if "bits_in_frame2" in name])
def test_a_broken_second_frame_leaves_the_first_alone(name: str) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    first, second, *_ = frames_of(ds, facts)
    assert decode(first, facts).cells.shape == facts.shape
    try:
        assert decode(second, facts).cells.shape == facts.shape
    except Undecodable as error:
        assert "/" not in str(error)


CUT = [
    "ct_htj2k_lossless",
    "ct_htj2k_lossy",
    "ct_j2k_lossless_u12",
    "ct_jls_lossless",
    "ct_jpeg_ext12",
    "ct_jpeg_lossless_sv1",
    "ct_jxl_lossless",
    "ct_rle",
    "rgb_htj2k_rct",
    "rgb_jpeg_rgb",
    "rgb_jpeg_ybr420",
]


@pytest.mark.parametrize("name", [f"generated/ts/{name}.dcm" for name in CUT])
@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
def test_a_frame_that_breaks_off_is_refused_and_not_made_up(name: str, part: float) -> None:
    ds = dataset(name)
    facts = facts_of(ds)
    frame = frames_of(ds, facts)[0]
    with pytest.raises(Undecodable):
        decode(frame[: int(len(frame) * part)], facts)


def test_an_htj2k_frame_with_wrong_bytes_inside_is_refused() -> None:
    """imagecodecs returned what OpenJPH had made before it gave up."""
    ds = dataset("generated/ts/ct_htj2k_lossless.dcm")
    facts = facts_of(ds)
    frame = bytearray(frames_of(ds, facts)[0])
    frame[393] = 0xFF
    with pytest.raises(Undecodable):
        decode(bytes(frame), facts)


@pytest.mark.parametrize("name", ["ct_jpeg_ext12", "ct_jpeg_lossless_sv1", "rgb_jpeg_ybr422"])
def test_a_jpeg_without_end_marker_is_decoded_where_nothing_else_is_missing(name: str) -> None:
    ds = dataset(f"generated/ts/{name}.dcm")
    facts = facts_of(ds)
    frame = frames_of(ds, facts)[0]
    without = frame[: frame.rindex(b"\xff\xd9")]
    assert np.array_equal(decode(without, facts).cells, decode(frame, facts).cells)


def test_a_jpeg_of_ten_thousand_scans_is_refused_at_once() -> None:
    """Each scan of nothing takes as long as a whole image."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((512, 512), np.uint8)).save(buffer, "JPEG", progressive=True)
    stream = buffer.getvalue()
    start = stream.rindex(b"\xff\xda")
    scan = stream[start : stream.rindex(b"\xff\xd9")]
    facts = ImageFacts(transfer_syntax="1.2.840.10008.1.2.4.51", rows=512, columns=512, bits_allocated=8, bits_stored=8)
    assert decode(stream, facts).cells.shape == (512, 512)
    with pytest.raises(Undecodable, match="scans"):
        decode(stream[:start] + scan * 10_000 + b"\xff\xd9", facts)


def test_bits_that_are_no_count_are_all_that_are_allocated() -> None:
    """They came as text and floating point, and no file could be written with them."""
    described = {"00280010": 8, "00280011": 8, "00280100": 16, "00280101": -0.0, "00280102": 1e9}
    facts = image_facts(Attributes({tag: {"vr": "FD", "Value": [value]} for tag, value in described.items()}), "1.2.3")
    assert (facts.bits_stored, facts.high_bit) == (16, 15)


def test_big_endian_cells_of_32_bits_are_those_of_the_little_endian_file() -> None:
    if "real/pydicom/rtdose_expb.dcm" in corpus.expected():
        assert _hashes("real/pydicom/rtdose_expb.dcm") == corpus.expected()["real/pydicom/rtdose.dcm"]["frames_sha256"]
