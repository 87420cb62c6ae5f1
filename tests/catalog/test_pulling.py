"""What a source announces, and who may fetch it."""

from __future__ import annotations

import orjson

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Level, Query
from dicomweb_server.model.states import State

STUDY = StudyKey("1.2")
SERIES = SeriesKey("1.2", "1.2.3")
ONE = InstanceKey("1.2", "1.2.3", "1.2.3.1")


def announce(catalog: SqlCatalog, *instances: str) -> None:
    listed = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in instances]
    modality = {"00080060": {"vr": "CS", "Value": ["CT"]}}
    name = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}
    catalog.pulling.announce(STUDY, "archive", name, [AnnouncedSeries(SERIES, modality, listed)])


def wanted(catalog: SqlCatalog) -> None:
    announce(catalog, ONE.instance)
    catalog.pulling.want([Ticket(Kind.FETCH, ONE, Band.WAITING)])


def test_what_is_announced_is_found_and_nearline(catalog: SqlCatalog) -> None:
    announce(catalog, "1.2.3.1", "1.2.3.2")
    (match,) = catalog.search.find(Query(Level.STUDY)).matches
    found = orjson.loads(match)
    assert found["00080056"]["Value"] == ["NEARLINE"]
    assert found["00201208"]["Value"] == [2]
    assert found["00080061"]["Value"] == ["CT"]


def test_announcing_again_adds_only_what_is_new(catalog: SqlCatalog) -> None:
    announce(catalog, "1.2.3.1")
    announce(catalog, "1.2.3.1", "1.2.3.2")
    assert [each.key.instance for each in catalog.pulling.missing(SERIES)] == ["1.2.3.1", "1.2.3.2"]


def test_nothing_is_claimed_that_nobody_wants(catalog: SqlCatalog) -> None:
    announce(catalog, ONE.instance)
    assert catalog.pulling.claim([ONE]) == {}


def test_what_is_wanted_is_claimed_with_its_source(catalog: SqlCatalog) -> None:
    wanted(catalog)
    assert catalog.pulling.claim([ONE]) == {ONE: "archive"}


def test_a_claim_left_by_a_dead_worker_is_taken_over(catalog: SqlCatalog) -> None:
    wanted(catalog)
    catalog.pulling.claim([ONE])
    assert catalog.pulling.claim([ONE]) == {ONE: "archive"}


def test_a_failure_goes_back_to_the_queue_until_its_attempts_are_used_up(catalog: SqlCatalog) -> None:
    wanted(catalog)
    states = []
    for _ in range(2):
        catalog.pulling.claim([ONE])
        states.append(catalog.pulling.failed(ONE, reason="too slow", final=False, attempts=2))
    assert states == [State.QUEUED, State.FAILED]
    assert catalog.pulling.missing(ONE)[0].reason == "too slow"


def test_what_was_given_up_and_is_sent_again_has_all_its_attempts(catalog: SqlCatalog) -> None:
    wanted(catalog)
    catalog.pulling.claim([ONE])
    catalog.pulling.failed(ONE, reason="too slow", final=True, attempts=2)
    catalog.pulling.claim([ONE])
    assert catalog.pulling.failed(ONE, reason="too slow", final=False, attempts=2) is State.QUEUED


def test_putting_off_costs_no_attempt(catalog: SqlCatalog) -> None:
    wanted(catalog)
    for _ in range(3):
        catalog.pulling.claim([ONE])
        catalog.pulling.put_off(ONE, reason="disk full")
    (standing,) = catalog.progress.standing(ONE)
    assert (standing.state, standing.attempts, standing.reason) == (State.QUEUED, 0, "disk full")


def test_a_pull_is_known_by_its_message_id(catalog: SqlCatalog) -> None:
    number = catalog.pulling.open_pull(SERIES, source="archive", destination="US")
    catalog.pulling.close_pull(number)
    assert catalog.pulling.pulled_by(number, destination="US", study_uid="1.2") == "archive"
    assert catalog.pulling.pulled_by(number, destination="OTHER", study_uid="1.2") is None
