from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from io import BytesIO
from itertools import islice
from pathlib import Path
from time import sleep

import pydicom
import pytest

from dicomweb_server.catalog.base import NewVersion
from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.ingest.arrivals import Capacity
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.ingest.receive import IN_MEMORY
from dicomweb_server.model.errors import BackendFailed, Gone, OutOfResources, Rejected
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.records import Company, Door, Fate, Origin, Outcome
from tests.ingest.conftest import ORIGIN, House, build
from tests.ingest.files import SERIES, STUDY, part10

KEY = InstanceKey(STUDY, SERIES, "1.2.3.4.5")


def stored(house: House) -> bytes:
    return Path(str(house.store.local(house.holdings.rows[KEY].object_key))).read_bytes()


def test_what_is_received_lies_there_byte_by_byte(house: House) -> None:
    outcome = house.push(part10())
    assert (outcome.key, outcome.fate) == (KEY, Fate.STORED)
    assert stored(house) == part10()
    assert house.leftovers() == []


def test_a_submitted_file_is_received_too(house: House) -> None:
    assert house.receive.submit(house.staged(part10()), ORIGIN).result(10).fate is Fate.STORED
    assert stored(house) == part10()


def test_its_tickets_are_written_with_it_and_announced(house: House) -> None:
    house.push(part10())
    assert house.holdings.tickets == [
        Ticket(Kind.RECONCILE, SeriesKey(STUDY, SERIES), Band.EAGER, not_before=1005.0),
        Ticket(Kind.PREPROCESS, KEY),
    ]
    assert house.signals.announced == ["tickets"]


def test_a_fetched_series_may_be_reconciled_at_once(house: House) -> None:
    house.receive.receive_now(house.staged(part10()), Origin(Door.FETCH, source="pacs"))
    assert house.holdings.tickets[0] == Ticket(Kind.RECONCILE, SeriesKey(STUDY, SERIES), Band.EAGER)


def test_sending_it_again_changes_nothing(house: House) -> None:
    house.push(part10())
    before = house.objects()
    assert house.push(part10(preamble=b"x" * 128)).fate is Fate.SAME
    assert house.objects() == before
    assert house.holdings.transactions == [1]
    assert house.leftovers() == []


@pytest.mark.parametrize(
    ("policy", "fate", "name"),
    [
        (Policy.KEEP_FIRST, Fate.KEPT_FIRST, "Test^One"),
        (Policy.REFUSE, Fate.REFUSED, "Test^One"),
        (Policy.REPLACE, Fate.REPLACED, "Another^Name^Here"),
    ],
)
def test_other_content_under_the_same_uids_meets_the_policy(
    tmp_path: Path, policy: Policy, fate: Fate, name: str
) -> None:
    house = build(tmp_path, policy)
    house.push(part10())
    assert house.push(part10(name="Another^Name^Here")).fate is fate
    assert pydicom.dcmread(BytesIO(stored(house))).PatientName == name
    house.receive.close()


def test_the_same_content_in_another_encoding_is_no_conflict(house: House) -> None:
    house.push(part10())
    twin = part10(name="Test^Two")
    assert len(twin) == len(part10())
    assert house.push(twin).fate is Fate.SAME


def test_one_instance_sent_many_times_at_once_is_stored_once(house: House) -> None:
    house.holdings.gate.clear()
    futures = [house.receive.submit(house.staged(part10()), ORIGIN) for _ in range(20)]
    house.holdings.gate.set()
    fates = sorted(future.result(10).fate for future in futures)
    assert fates == [Fate.SAME] * 19 + [Fate.STORED]
    assert len(house.objects()) == 1


def test_what_queues_up_shares_a_transaction(house: House) -> None:
    house.holdings.gate.clear()
    futures = [house.receive.submit(house.staged(part10(f"1.2.9.{n}")), ORIGIN) for n in range(40)]
    house.holdings.gate.set()
    assert {future.result(10).fate for future in futures} == {Fate.STORED}
    assert len(house.holdings.transactions) < 20
    assert sum(house.holdings.transactions) == 40


def together(house: House, company: Company, numbers: range) -> list[Future[Outcome]]:
    paths = [(house.receive.stage(), part10(f"1.2.9.{number}")) for number in numbers]
    return [house.receive.submit(path, ORIGIN, company=company, content=body) for path, body in paths]


def test_what_comes_together_is_stored_in_one_transaction_when_no_more_is_to_come(house: House) -> None:
    company = Company(to_come=True)
    futures = together(house, company, range(20))
    assert not wait(futures, 0.2).done
    house.receive.complete(company)
    assert {future.result(10).fate for future in futures} == {Fate.STORED}
    assert house.holdings.transactions == [20]
    assert house.leftovers() == []


def test_what_waits_for_company_goes_along_with_one_that_does_not(house: House) -> None:
    futures = together(house, Company(to_come=True), range(2))
    assert not wait(futures, 0.2).done
    assert house.push(part10()).fate is Fate.STORED
    assert {future.result(10).fate for future in futures} == {Fate.STORED}
    assert house.holdings.transactions == [3]


def test_not_more_than_a_batch_waits_for_company(house: House) -> None:
    futures = together(house, Company(to_come=True), range(100))
    first = list(islice(as_completed(futures, 10), 64))
    assert len(first) == 64
    house.receive.close()
    assert {future.result(10).fate for future in futures} == {Fate.STORED}


def test_what_is_handed_over_in_memory_lies_there_byte_by_byte(house: House) -> None:
    path = house.receive.stage()
    content = b"x" * 128 + part10()[128:]
    assert house.receive.submit(path, ORIGIN, content=content).result(10).fate is Fate.STORED
    assert stored(house) == part10()
    assert house.leftovers() == []


def test_only_so_much_is_taken_in_memory_as_there_is_room_for(house: House) -> None:
    house.holdings.gate.clear()
    futures = together(house, Company(), range(3))
    assert not house.receive.takes_in_memory(IN_MEMORY + 1)
    house.holdings.gate.set()
    wait(futures, 10)
    assert house.receive.takes_in_memory(IN_MEMORY)


def test_many_threads_that_wait_share_their_commits(house: House) -> None:
    house.holdings.gate.clear()
    with ThreadPoolExecutor(20) as senders:
        outcomes = [senders.submit(house.push, part10(f"1.2.9.{number}")) for number in range(20)]
        while len(house.leftovers()) + len(house.objects()) < 20:
            sleep(0.01)
        house.holdings.gate.set()
        assert {each.result(10).fate for each in outcomes} == {Fate.STORED}
    assert sum(house.holdings.transactions) == 20
    assert len(house.holdings.transactions) < 20


def test_the_loser_of_a_race_is_decided_anew_and_leaves_no_object(house: House) -> None:
    theirs = "instances/1/1/1-theirs.dcm"
    house.store.replace(theirs, part10())
    house.holdings.intruder = NewVersion(derive(BytesSource(part10())), ORIGIN, "theirs", theirs)
    assert house.push(part10()).fate is Fate.SAME
    assert house.holdings.rows[KEY].version == "theirs"
    assert house.objects() == {theirs}


@pytest.mark.parametrize(
    ("name", "fate"), [("Test^Two", Fate.SAME), ("Another^Name^Here", Fate.KEPT_FIRST)], ids=["same", "other"]
)
def test_the_loser_of_a_race_is_compared_though_its_file_was_adopted(house: House, name: str, fate: Fate) -> None:
    theirs = "instances/1/1/1-theirs.dcm"
    house.store.replace(theirs, part10())
    house.holdings.intruder = NewVersion(derive(BytesSource(part10())), ORIGIN, "theirs", theirs)
    assert house.push(part10(name=name)).fate is fate
    assert house.holdings.rows[KEY].version == "theirs"
    assert house.objects() == {theirs}


def test_what_was_deleted_while_its_source_sent_it_stays_away(house: House) -> None:
    house.holdings.buried.add(KEY)
    coming = house.receive.submit(house.staged(part10()), Origin(Door.FETCH, source="pacs"))
    with pytest.raises(Gone):
        coming.result(10)
    assert (house.holdings.rows, house.objects(), house.leftovers()) == ({}, set(), [])
    assert house.push(part10()).fate is Fate.STORED


@pytest.mark.parametrize(
    "expected", [{"study": "9.9"}, {"sop_class": "1.2.840.10008.5.1.4.1.1.2"}, {"sop_instance": "1.2.3.4.6"}]
)
def test_what_is_not_as_announced_is_rejected(house: House, expected: dict[str, str]) -> None:
    with pytest.raises(Rejected) as caught:
        house.push(part10(), **expected)
    assert caught.value.reason == 0xA900
    assert caught.value.sop_instance == "1.2.3.4.5"
    assert house.leftovers() == []


def test_one_that_is_no_dicom_does_not_fail_the_others(house: House) -> None:
    bad = house.receive.submit(house.staged(b"<html>not here</html>"), ORIGIN)
    good = house.receive.submit(house.staged(part10()), ORIGIN)
    with pytest.raises(Rejected):
        bad.result(10)
    assert good.result(10).fate is Fate.STORED
    assert house.leftovers() == []


def test_a_full_disk_answers_everybody_and_stores_nothing(house: House) -> None:
    house.holdings.failures.append(OutOfResources("the disk is full"))
    with pytest.raises(OutOfResources):
        house.push(part10())
    assert house.holdings.rows == {}
    assert house.leftovers() == []
    assert house.push(part10()).fate is Fate.STORED


def test_an_instance_the_catalog_chokes_on_does_not_cost_its_neighbours(house: House) -> None:
    house.holdings.indigestible.add(InstanceKey(STUDY, SERIES, "1.2.9.3"))
    house.holdings.gate.clear()
    futures = [house.receive.submit(house.staged(part10(f"1.2.9.{n}")), ORIGIN) for n in range(6)]
    house.holdings.gate.set()
    assert [future.exception(10) is None for future in futures] == [True, True, True, False, True, True]
    assert len(house.holdings.rows) == 5


def test_a_transaction_that_failed_but_was_written_leaves_no_row_without_its_object(house: House) -> None:
    house.holdings.failures.append(BackendFailed("the connection broke", passing=True))
    house.holdings.writes_despite = True
    with pytest.raises(BackendFailed):
        house.push(part10())
    assert stored(house) == part10()
    assert house.push(part10()).fate is Fate.SAME
    assert stored(house) == part10()


def test_no_more_may_come_in_than_there_is_room_for(tmp_path: Path) -> None:
    house = build(tmp_path, Policy.KEEP_FIRST, Capacity(arrivals=2))
    house.holdings.gate.clear()
    waiting = [house.receive.submit(house.staged(part10(f"1.2.9.{n}")), ORIGIN) for n in range(2)]
    with pytest.raises(OutOfResources):
        house.receive.stage()
    late = house.store.staging() / "late.part"
    late.write_bytes(part10())
    with pytest.raises(OutOfResources):
        house.receive.submit(late, ORIGIN).result(10)
    assert not late.exists()
    house.holdings.gate.set()
    assert {future.result(10).fate for future in waiting} == {Fate.STORED}
    assert house.push(part10()).fate is Fate.STORED
    house.receive.close()


def test_closing_waits_for_what_was_handed_over(house: House) -> None:
    futures = [house.receive.submit(house.staged(part10(f"1.2.9.{n}")), ORIGIN) for n in range(10)]
    house.receive.close()
    assert all(future.done() for future in futures)
