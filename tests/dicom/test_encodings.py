"""Data sets made up by hypothesis, written by pydicom in every native encoding, read the same from each."""

from __future__ import annotations

from typing import Any

import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.rewrite import explicit_le
from dicomweb_server.dicom.source import BytesSource
from tests.dicom.reading_files import metadata_of, read_by_pydicom, written
from tests.dicom.test_metadata import differences

ENCODINGS = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\^= "), max_size=12)
DIGITS = st.integers(-(2**31) + 1, 2**31 - 1)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "PatientName": st.builds("{}^{}={}".format, WORDS, WORDS, WORDS),
    "PatientID": WORDS,
    "ImageType": st.lists(st.sampled_from(["ORIGINAL", "", "AXIAL"]), max_size=4),
    "OtherPatientIDs": st.lists(WORDS, max_size=3),
    "PatientComments": WORDS,
    "InstanceNumber": DIGITS,
    "ReferencedFrameNumber": st.lists(DIGITS, max_size=4),
    "PixelSpacing": st.lists(st.decimals(-1000, 1000, places=3).map(str), min_size=2, max_size=2),
    "Rows": st.integers(0, 65535),
    "PixelRepresentation": st.sampled_from([0, 1]),
    "RedPaletteColorLookupTableDescriptor": st.lists(st.integers(0, 255), min_size=3, max_size=3),
    "FrameIncrementPointer": st.just(0x00181063),
    "DopplerCorrectionAngle": st.floats(allow_nan=True, allow_infinity=True),
    "RecommendedDisplayFrameRateInFloat": st.floats(width=32, allow_nan=True),
    "ReferencePixelX0": DIGITS,
    "SelectorSVValue": st.integers(-(2**63), 2**63 - 1),
    "SelectorUVValue": st.integers(0, 2**64 - 1),
    "ICCProfile": st.binary(max_size=64).map(lambda raw: raw + b"\0" * (len(raw) % 2)),
    "LongCodeValue": WORDS,
    "RetrieveURL": st.just("https://example.org/a%5Cb"),
}


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> Any:
    data_set = pydicom.Dataset()
    for keyword in draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=8)):
        if keyword not in ("RecommendedDisplayFrameRateInFloat",):
            setattr(data_set, keyword, draw(VALUES[keyword]))
    if depth < 3:
        for keyword in draw(st.lists(st.sampled_from(["ReferencedSeriesSequence", "ROIContourSequence"]), unique=True)):
            items = draw(st.lists(data_sets(depth=depth + 1), max_size=2))
            setattr(data_set, keyword, items)
    if depth == 0:
        data_set.SpecificCharacterSet = "ISO_IR 192"
        data_set.SOPClassUID, data_set.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
        data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    return data_set


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data_sets())
def test_every_encoding_says_what_pydicom_reads_and_all_say_the_same(data_set: Any) -> None:
    files = [written(data_set, encoding) for encoding in ENCODINGS]
    for data in files:
        assert list(differences(metadata_of(BytesSource(data)), read_by_pydicom(data))) == []
    first, *others = (derive(BytesSource(data)).metadata for data in files)
    for other in others:
        assert other | {"00083002": None} == first | {"00083002": None}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data_sets())
def test_rewriting_keeps_every_value(data_set: Any) -> None:
    for encoding in ENCODINGS:
        data = written(data_set, encoding)
        again = b"".join(explicit_le(BytesSource(data)))
        assert pydicom.dcmread(pydicom.filebase.DicomBytesIO(again)).file_meta.TransferSyntaxUID == ENCODINGS[1]
        assert metadata_of(BytesSource(again)) == metadata_of(BytesSource(data))
