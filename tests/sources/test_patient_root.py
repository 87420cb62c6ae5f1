"""The patient root: dcmqrscp demands a PatientID in every identifier below the patient (PS3.4 C.6.1)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.sources.associations import Peer
from dicomweb_server.sources.finding import PATIENT_ROOT
from dicomweb_server.sources.pacs import PacsSource
from tests.corpus import path
from tests.sources.dcmqrscp import AET, archive

FILES = [
    path(name)
    for name in ("generated/ts/ct_evle.dcm", "generated/charset/jp_iso2022.dcm", "generated/mod/sr_enhanced.dcm")
]
HELD = [pydicom.dcmread(file) for file in FILES]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacsSource]:
    with archive(tmp_path_factory.mktemp("patients")) as running:
        running.store(FILES)
        opened = PacsSource("pacs", Peer("127.0.0.1", running.port, AET, "HERE"), root=PATIENT_ROOT)
        yield opened
        opened.close()


def test_every_study_is_found_patient_by_patient(source: PacsSource) -> None:
    found = source.search(Query(Level.STUDY, limit=10), seconds=20)
    assert {each["0020000D"]["Value"][0] for each in found} == {each.StudyInstanceUID for each in HELD}


@pytest.mark.parametrize("held", HELD, ids=lambda each: str(each.PatientID))
def test_a_study_known_by_its_uid_alone_is_described_and_fetched(
    source: PacsSource, held: pydicom.Dataset, tmp_path: Path
) -> None:
    uid = held.StudyInstanceUID
    assert [each["0020000E"]["Value"][0] for each in source.series(uid)] == [held.SeriesInstanceUID]
    key = InstanceKey(uid, held.SeriesInstanceUID, held.SOPInstanceUID)
    (listed,) = source.instances(SeriesKey(uid, held.SeriesInstanceUID))
    assert listed["00080018"]["Value"] == [held.SOPInstanceUID]
    numbers = itertools.count()
    (fetched,) = source.fetch([key], lambda: tmp_path / str(next(numbers)))
    assert fetched.error is None
    assert fetched.staged is not None
    assert pydicom.dcmread(fetched.staged).PatientID == held.PatientID


def test_keys_of_the_patient_and_of_the_study_hold_together(source: PacsSource) -> None:
    held = HELD[0]
    patient = Key((0x00100010,), "PN", Match.WILDCARD, (str(held.PatientName)[:3] + "*",))
    study = Key((0x0020000D,), "UI", Match.SINGLE, (held.StudyInstanceUID,))
    (found,) = source.search(Query(Level.STUDY, keys=(patient, study), limit=10), seconds=20)
    assert found["0020000D"]["Value"] == [held.StudyInstanceUID]


def test_a_study_of_nobody_is_not_found(source: PacsSource) -> None:
    with pytest.raises(NotFound):
        source.series("1.2.3.4")
