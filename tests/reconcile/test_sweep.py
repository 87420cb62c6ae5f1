"""What a crash left behind is finished or removed, and nothing that is still wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.series import ReconcileSeries
from dicomweb_server.reconcile.sweep import STALE_SECONDS, Sweep
from dicomweb_server.signals.memory import MemorySignals
from tests.holding import Holding, holding

NAME, OTHER = "generated/ts/ct_evle.dcm", "generated/mod/seg_binary_deflated_frame.dcm"


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path) as opened:
        yield opened


@pytest.fixture
def sweep(held: Holding) -> Sweep:
    signals = MemorySignals()
    return Sweep(held.catalog, held.objects, SqlQueue(held.catalog.database), signals, wait=lambda _: False)


def drain(sweep: Sweep) -> list[Ticket]:
    """Take every ticket and forget it, as a crash between two databases would."""
    leases = sweep.queue.take("test", kinds=list(Kind), limit=100, lease_seconds=60)
    sweep.queue.done(leases)
    return [lease.ticket for lease in leases]


def test_a_lost_ticket_is_found_from_its_row(held: Holding, sweep: Sweep) -> None:
    key = held.take_all([NAME])[NAME]
    drain(sweep)
    assert sweep.find_lost() > 0
    assert Ticket(Kind.PREPROCESS, key) in drain(sweep)


def test_a_lost_ticket_is_found_however_many_others_wait(held: Holding, sweep: Sweep) -> None:
    """With more than a thousand nothing was looked for, and a busy server has that for days."""
    key = held.take_all([NAME])[NAME]
    drain(sweep)
    sweep.queue.put([Ticket(Kind.PREPROCESS, InstanceKey("1.2", "1.2.3", f"1.2.3.{n}")) for n in range(1001)])
    assert sweep.find_lost() > 0
    assert sweep.find_lost() == 0
    leases = sweep.queue.take("test", kinds=list(Kind), limit=2000, lease_seconds=60)
    assert Ticket(Kind.PREPROCESS, key) in [lease.ticket for lease in leases]


def test_an_instance_that_was_being_fetched_is_fetched_again(held: Holding, sweep: Sweep) -> None:
    key = InstanceKey("1.2", "1.2.3", "1.2.3.4")
    listed = [{"00080018": {"vr": "UI", "Value": [key.instance]}}]
    held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(SeriesKey("1.2", "1.2.3"), {}, listed)])
    assert sweep.find_lost() == 0
    held.catalog.pulling.want([Ticket(Kind.FETCH, key, Band.WAITING)])
    held.catalog.pulling.claim([key])
    drain(sweep)
    assert held.catalog.pulling.missing(key)[0].state is State.FETCHING
    assert sweep.find_lost() == 2
    assert {(ticket.kind, ticket.key) for ticket in drain(sweep)} == {
        (Kind.FETCH, key),
        (Kind.RECONCILE, key.of_series),
    }


def test_only_arrivals_that_nobody_writes_to_any_more_are_removed(held: Holding, sweep: Sweep) -> None:
    young, old = (held.objects.staging() / name for name in ("young.part", "old.part"))
    for path in (young, old):
        path.write_bytes(b"x")
    os.utime(old, (sweep.now() - STALE_SECONDS - 1,) * 2)
    assert sweep.remove_stale() == 1
    assert young.exists()
    assert not old.exists()


def test_objects_of_nobody_go_after_their_grace_and_others_stay(held: Holding, sweep: Sweep) -> None:
    kept = held.catalog.holdings.version(held.take_all([NAME])[NAME]).object_key
    held.objects.replace("instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
    assert sweep.remove_orphans() == 0
    now = sweep.now()
    sweep.now = lambda: now + 7200
    assert sweep.remove_orphans() == 1
    assert held.objects.stat(kept).size > 0


def test_the_store_is_listed_once_a_day(held: Holding, sweep: Sweep) -> None:
    held.objects.replace("instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
    sweep()
    now = sweep.now()
    sweep.now = lambda: now + 7200
    sweep()
    assert held.objects.stat("instances/1.2/1.3/1.4-ab.dcm").size > 0
    with held.catalog.database.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET until = until - 86400")
    sweep()
    assert [info.key for info in held.objects.list("instances/1.2/1.3/")] == []


def test_a_listing_of_the_store_that_was_interrupted_is_begun_anew_and_removed_nothing(
    held: Holding, sweep: Sweep
) -> None:
    held.objects.replace("instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
    now = sweep.now()
    sweep.now = lambda: now + 7200
    stopping = chain([False], repeat(True))
    sweep.wait = lambda seconds: next(stopping)
    sweep()
    assert held.objects.stat("instances/1.2/1.3/1.4-ab.dcm").size > 0
    sweep.wait = lambda seconds: False
    sweep()
    assert [info.key for info in held.objects.list("instances/1.2/1.3/")] == []


def test_documents_go_that_a_crash_left_of_a_deleted_series_and_no_others(held: Holding, sweep: Sweep) -> None:
    kept, deleted = held.take_all([NAME, OTHER]).values()
    reconcile = ReconcileSeries(held.objects, held.catalog, quiet_seconds=0)
    reconcile([Ticket(Kind.RECONCILE, key.of_series) for key in (kept, deleted)])
    held.catalog.holdings.delete(deleted.of_series, reason="killed before the objects went", tombstone=True)
    now = sweep.now()
    sweep.now = lambda: now + 7200
    before = {info.key for info in held.objects.list()}
    sweep.remove_orphans()
    after = {info.key for info in held.objects.list()}
    assert after == {name for name in before if kept.series in name.split("/")}
    assert any(name.startswith("series/") for name in after)
