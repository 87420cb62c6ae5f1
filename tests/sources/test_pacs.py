"""Against dcmtk's dcmqrscp."""

from __future__ import annotations

import gc
import itertools
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelFind

from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.sources.associations import Peer
from dicomweb_server.sources.pacs import PacsSource, Pulls, batches
from tests.corpus import names, path
from tests.journeys.server import wait_for
from tests.ports import free_port
from tests.sources.dcmqrscp import AET, Archive, archive

COMPRESSED = [path(name) for name in names("generated/series/")][:30]
DESTINATION = free_port()


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The CT decompressed: Debian's dcmqrscp takes no JPEG-LS."""
    folder = tmp_path_factory.mktemp("slices")
    for file in COMPRESSED:
        subprocess.run(["dcmdjpls", str(file), str(folder / file.name)], check=True)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory, slices: list[Path]) -> Iterator[Archive]:
    with archive(tmp_path_factory.mktemp("pacs"), destinations={"HERE": DESTINATION}) as running:
        running.store([*slices, path("generated/charset/jp_iso2022.dcm"), path("generated/mod/sr_enhanced.dcm")])
        yield running


def peer(port: int, **more: float) -> Peer:
    return Peer("127.0.0.1", port, AET, "HERE", **more)  # type: ignore[arg-type]


@pytest.fixture
def source(pacs: Archive) -> PacsSource:
    return PacsSource("pacs", peer(pacs.port))


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[], Path]:
    counter = itertools.count()
    return lambda: tmp_path / f"{next(counter)}"


@pytest.fixture(scope="module")
def first(slices: list[Path]) -> pydicom.Dataset:
    return pydicom.dcmread(slices[0])


@pytest.fixture(scope="module")
def keys(slices: list[Path]) -> list[InstanceKey]:
    data_sets = [pydicom.dcmread(file) for file in slices]
    return [InstanceKey(each.StudyInstanceUID, each.SeriesInstanceUID, each.SOPInstanceUID) for each in data_sets]


def test_a_study_is_found_by_its_uid(source: PacsSource, first: pydicom.Dataset) -> None:
    key = Key((0x0020000D,), "UI", Match.LIST, (first.StudyInstanceUID,))
    (found,) = source.search(Query(Level.STUDY, keys=(key,)), seconds=10)
    assert found["00100020"]["Value"] == [first.PatientID]


def test_names_in_other_scripts_come_decoded(source: PacsSource) -> None:
    expected = pydicom.dcmread(path("generated/charset/jp_iso2022.dcm"))
    key = Key((0x00100020,), "LO", Match.SINGLE, (expected.PatientID,))
    (found,) = source.search(Query(Level.STUDY, keys=(key,)), seconds=10)
    assert found["00100010"]["Value"][0]["Ideographic"] == expected.PatientName.ideographic


def test_series_and_instances_are_listed(source: PacsSource, first: pydicom.Dataset, keys: list[InstanceKey]) -> None:
    (series,) = source.series(first.StudyInstanceUID)
    assert series["0020000E"]["Value"] == [first.SeriesInstanceUID]
    listed = source.instances(SeriesKey(first.StudyInstanceUID, first.SeriesInstanceUID))
    assert {each["00080018"]["Value"][0] for each in listed} == {key.instance for key in keys}


def test_an_unknown_study_is_not_found(source: PacsSource) -> None:
    with pytest.raises(NotFound):
        source.series("1.2.3.4.5.6")


def test_c_get_brings_every_instance_as_it_is_stored(
    source: PacsSource, slices: list[Path], keys: list[InstanceKey], stage: Callable[[], Path]
) -> None:
    fetched = list(source.fetch(keys, stage))
    assert [each.error for each in fetched] == [None] * len(slices)
    got = {each.key.instance: pydicom.dcmread(each.staged) for each in fetched if each.staged}
    for file in slices:
        sent = pydicom.dcmread(file)
        assert got[sent.SOPInstanceUID].PixelData == sent.PixelData
        assert got[sent.SOPInstanceUID].file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID


def test_what_the_pacs_does_not_have_is_named(
    source: PacsSource, keys: list[InstanceKey], stage: Callable[[], Path]
) -> None:
    here = keys[0]
    gone = InstanceKey(here.study, here.series, "1.2.3.4")
    fetched = {each.key: each for each in source.fetch([here, gone], stage)}
    assert fetched[here].staged is not None
    assert isinstance(fetched[gone].error, BackendFailed)


def test_c_move_comes_in_by_the_other_door_under_its_message_id(
    pacs: Archive, slices: list[Path], keys: list[InstanceKey], stage: Callable[[], Path]
) -> None:
    arrived: list[tuple[str, int]] = []
    opened: list[int] = []
    closed: list[int] = []

    def take(event: evt.Event) -> int:
        arrived.append((event.request.AffectedSOPInstanceUID, event.request.MoveOriginatorMessageID))
        return 0

    def open_pull(keys: object) -> int:
        opened.append(4242 + len(opened))
        return opened[-1]

    entity = AE("HERE")
    syntaxes = {pydicom.dcmread(file).file_meta.TransferSyntaxUID for file in slices}
    entity.add_supported_context(CTImageStorage, list(syntaxes))
    server = entity.start_server(("127.0.0.1", DESTINATION), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    try:
        moving = PacsSource("pacs", peer(pacs.port), move_to="HERE", pulls=Pulls(open_pull, closed.append))
        fetched = list(moving.fetch(keys[:5], stage))
    finally:
        server.shutdown()
    assert [each.error for each in fetched] == [None] * 5
    assert {uid for uid, _ in arrived} == {key.instance for key in keys[:5]}
    assert {message for _, message in arrived} == set(opened) == set(closed)


def test_an_unknown_destination_says_what_to_do(
    pacs: Archive, keys: list[InstanceKey], stage: Callable[[], Path]
) -> None:
    moving = PacsSource("pacs", peer(pacs.port), move_to="NOWHERE", pulls=Pulls(lambda keys: 1, lambda pull: None))
    (fetched,) = moving.fetch(keys[:1], stage)
    assert fetched.error is not None
    assert "destination AE title" in str(fetched.error)


# pynetdicom leaves the socket of a refused connection to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_there_is_an_error_that_may_pass() -> None:
    with pytest.raises(BackendFailed) as caught:
        PacsSource("pacs", peer(free_port(), connect_seconds=2)).series("1.2")
    assert caught.value.passing
    gc.collect()  # here, and not in whatever test comes later


def test_a_pacs_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = PacsSource("pacs", peer(silent.getsockname()[1], connect_seconds=1, answer_seconds=1))
        started = time.monotonic()
        with pytest.raises(BackendFailed):
            source.series("1.2")
        assert time.monotonic() - started < 10


def doctor(source: PacsSource) -> dict[str, bool]:
    return {each.what: each.works for each in source.check()}


EVERYTHING = {
    "C-ECHO": True,
    "C-FIND, study root": True,
    "C-FIND, patient root": True,
    "C-GET of one image": True,
    "transfer syntaxes": True,
}


def test_doctor_tries_one_image(source: PacsSource) -> None:
    assert doctor(source) == EVERYTHING


def test_doctor_takes_a_moved_image_itself_where_no_server_runs(pacs: Archive) -> None:
    here = ("127.0.0.1", DESTINATION)
    moving = PacsSource(
        "pacs", peer(pacs.port), move_to="HERE", pulls=Pulls(lambda keys: 7, lambda pull: None), here=here
    )
    assert doctor(moving) == {**EVERYTHING, "C-MOVE of one image to HERE": True}


def test_doctor_says_what_to_set_on_the_pacs(pacs: Archive) -> None:
    here = ("127.0.0.1", DESTINATION)
    moving = PacsSource(
        "pacs", peer(pacs.port), move_to="NOBODY", pulls=Pulls(lambda keys: 7, lambda pull: None), here=here
    )
    failed = {each.what: each.advice for each in moving.check() if not each.works}
    assert set(failed) == {"C-MOVE of one image to NOBODY", "what to set"}
    assert "NOBODY" in failed["what to set"]
    assert str(DESTINATION) in failed["what to set"]


def test_an_association_serves_several_requests(first: pydicom.Dataset) -> None:
    """The peer sees one association for requests in a row, and none once the source is closed."""
    accepted: list[evt.Event] = []
    entity = AE(AET)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers = [(evt.EVT_ACCEPTED, accepted.append), (evt.EVT_C_FIND, lambda event: iter([(0xFF00, event.identifier)]))]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    source = PacsSource("pacs", peer(server.server_address[1]))
    try:
        for _ in range(5):
            assert source.series(first.StudyInstanceUID)
        assert len(accepted) == 1
        source.close()
        wait_for(lambda: not server.active_associations, "the end of the association")
    finally:
        server.shutdown()


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (4, [1, 3]), (100, [1, 16, 64, 19])])
def test_batches_grow(count: int, sizes: list[int]) -> None:
    keys = [InstanceKey("1", "2", str(n)) for n in range(count)]
    assert [len(batch) for batch in batches(keys)] == sizes
