"""What is done to what failed, was lost or is out of date, on both kinds of database."""

from __future__ import annotations

import orjson

from dicomweb_server.catalog.base import Trouble
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.query import Level, Query
from dicomweb_server.model.records import SeriesDocument
from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from tests.catalog.making import many

STUDY = StudyKey("1.2.1")
SERIES = SeriesKey("1.2.1", "1.2.1.1")
ONE, TWO, THREE = (InstanceKey("1.2.1", "1.2.1.1", f"1.2.1.1.{n}") for n in (1, 2, 3))


def test_what_is_lost_is_failed_and_no_longer_here(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(2))
    name = catalog.holdings.version(ONE).object_key
    assert catalog.mending.lose(ONE, name, reason="lost")
    assert not catalog.mending.lose(ONE, name, reason="lost"), "once"
    lost, whole = catalog.progress.standing(SERIES)
    assert (lost.state, lost.here, lost.reason) == (State.FAILED, False, "lost")
    assert (whole.state, whole.here) == (State.STORED, True)
    assert catalog.progress.in_state(State.FAILED) == [lost]
    (match,) = catalog.search.find(Query(Level.STUDY)).matches
    assert orjson.loads(match)["00201208"]["Value"] == [2]


def test_a_document_is_forgotten_once(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    revision = catalog.holdings.series_progress(SERIES).revision
    catalog.progress.settle_series(SERIES, SeriesDocument(SERIES, "series/doc.json", "etag", 1), revision=revision)
    assert not catalog.mending.forget_document(SERIES, "series/other.json")
    assert catalog.mending.forget_document(SERIES, "series/doc.json")
    assert catalog.holdings.series_progress(SERIES).document is None


def test_what_failed_tells_why_and_how_often_it_was_tried(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(3))
    catalog.progress.fail([ONE, TWO], [State.STORED], reason="no pixels", attempts=5)
    catalog.progress.fail([THREE], [State.READY], reason="not it", attempts=9)
    assert catalog.progress.troubles(STUDY) == [Trouble(SERIES.series, "no pixels", 2, 5)]


def test_what_is_drawn_is_ready_by_its_version(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(3))
    drawn = catalog.holdings.versions(SERIES)
    catalog.progress.fail([ONE], [State.STORED], reason="a decoder died", attempts=5)
    catalog.holdings.delete(THREE, reason="asked for")
    assert catalog.progress.drawn(drawn, {TWO: "only an icon"}) == [True, True, False]
    assert catalog.progress.drawn(drawn[:2], {}) == [True, True], "twice ends the same"
    found = [(each.state, each.reason, each.attempts) for each in catalog.progress.standing(SERIES)]
    assert found == [(State.READY, None, 0), (State.READY, "only an icon", 0)]


def test_the_next_try_of_a_series_is_that_of_its_first_ticket(catalog: SqlCatalog) -> None:
    now = 1_000_000.0
    queue = SqlQueue(catalog.database, now=lambda: now)
    queue.put([Ticket(Kind.PREPROCESS, ONE), Ticket(Kind.PREPROCESS, TWO), Ticket(Kind.PREPROCESS, THREE)])
    leases = queue.take("one", kinds=[Kind.PREPROCESS], limit=3, lease_seconds=60)
    for lease, delay in zip(leases, (50, 20), strict=False):
        queue.retry(lease, delay_seconds=delay, reason="busy")
    assert catalog.mending.next_due(STUDY) == {SERIES.series: now + 20}
    due = catalog.mending.due(SERIES)
    assert {key: (each.at, each.attempts, each.reason) for key, each in due.items()} == {
        ONE: (now + 50, 1, "busy"),
        TWO: (now + 20, 1, "busy"),
        THREE: (None, 1, None),
    }
