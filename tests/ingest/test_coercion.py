"""PatientIDs without issuer get the one of where they come from, and the file says so (S-13; PS3.3 C.12.1.1.9)."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.dicom.coerce import Coercion, write_coerced
from dicomweb_server.dicom.rewrite import same_content
from dicomweb_server.dicom.source import BytesSource
from tests import corpus
from tests.journeys.asking import JSON, header, store
from tests.journeys.server import running, wait_for
from tests.pulling.peers import dicomweb_source, in_front_of, web_table
from tests.pulling.test_opening import found, frame

ISSUER = 0x00100021
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
FILES = [
    "generated/ts/ct_evle.dcm",
    "generated/ts/ct_ivle.dcm",
    "generated/ts/ct_evbe.dcm",
    "generated/ts/ct_deflated.dcm",
    "generated/ts/ct_rle.dcm",
    "generated/mod/sr_enhanced.dcm",
]


def coerced(data: bytes, issuer: str = "WARD") -> bytes:
    out = io.BytesIO()
    write_coerced(BytesSource(data), Coercion({ISSUER: ("LO", issuer)}, "there"), NOW, out)
    return out.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_only_the_coerced_attribute_changes_and_what_it_was_is_kept(name: str) -> None:
    before = pydicom.dcmread(corpus.path(name))
    after = pydicom.dcmread(io.BytesIO(coerced(corpus.file(name))))
    assert after.IssuerOfPatientID == "WARD"
    (record,) = after.OriginalAttributesSequence
    (modified,) = record.ModifiedAttributesSequence
    assert "IssuerOfPatientID" in modified
    assert not modified.IssuerOfPatientID, "absent before: of zero length"
    assert record.ReasonForTheAttributeModification == "COERCE"
    assert (record.ModifyingSystem, record.SourceOfPreviousValues) == ("dicomweb-server", "there")
    assert str(record.AttributeModificationDateTime).startswith(NOW.strftime("%Y%m%d%H%M%S"))
    del after.IssuerOfPatientID, after.OriginalAttributesSequence
    assert [each.tag for each in after] == [each.tag for each in before]
    assert all(after[each.tag].value == each.value for each in before if each.tag != 0x7FE00010)


def test_a_record_is_added_to_those_there_are() -> None:
    once = coerced(corpus.file(FILES[0]), "FIRST")
    twice = pydicom.dcmread(io.BytesIO(coerced(once, "SECOND")))
    first, second = twice.OriginalAttributesSequence
    assert not first.ModifiedAttributesSequence[0].IssuerOfPatientID
    assert second.ModifiedAttributesSequence[0].IssuerOfPatientID == "FIRST"


def test_the_same_file_coerced_at_another_time_is_the_same_content() -> None:
    data = corpus.file(FILES[0])
    later = io.BytesIO()
    write_coerced(BytesSource(data), Coercion({ISSUER: ("LO", "WARD")}), NOW.replace(year=2031), later)
    assert same_content(BytesSource(coerced(data)), BytesSource(later.getvalue()))
    assert not same_content(BytesSource(coerced(data)), BytesSource(coerced(data, "OTHER")))


def test_what_is_pushed_without_issuer_gets_the_one_of_the_site(tmp_path: Path) -> None:
    file = corpus.path(FILES[0])
    with running(tmp_path / "data", extra=("--set", "ingest.issuer=WARD")) as server, server.client() as client:
        for _ in range(2):
            answer = store(client, [file])
            (item,) = answer.json()["00081199"]["Value"]
            assert (answer.status_code, item["00081196"]["Value"]) == (202, [0xB000])
        (study,) = client.get("/studies?IssuerOfPatientID=WARD", headers=JSON).json()
        assert study["00100020"]["Value"] == [header(file).PatientID]
        (shown,) = client.get(f"/studies/{header(file).StudyInstanceUID}/metadata", headers=JSON).json()
        assert shown["04000561"]["Value"][0]["04000565"]["Value"] == ["COERCE"]


def test_two_sources_with_the_same_patient_id_stay_apart(tmp_path: Path) -> None:
    name = "generated/ts/ct_evle.dcm"
    file = pydicom.dcmread(corpus.path(name))
    with (
        dicomweb_source(tmp_path / "source", name) as (url, _, _),
        in_front_of(tmp_path / "front", web_table(url) + 'issuer = "THERE"\n') as server,
        server.client() as client,
    ):
        assert found(client, "/studies?PatientID=*&IssuerOfPatientID=THERE")
        assert client.get("/studies?IssuerOfPatientID=HERE", headers=JSON).status_code == 204
        assert frame(client, file) == file.PixelData
        wait_for(lambda: bool(found(client, f"/series?PatientID={file.PatientID}")), "the series")
        (row,) = found(client, f"/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/metadata")
        assert row["00100021"]["Value"] == ["THERE"]
        assert row["04000561"]["Value"][0]["04000564"]["Value"] == ["neighbour"]
