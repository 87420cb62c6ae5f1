"""What every queue promises."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.queues.base import Queue
from tests.queues.conftest import Clock

ALL = tuple(Kind)


def ticket(name: int, study: int = 1, band: Band = Band.DERIVED, *, not_before: float = 0.0) -> Ticket:
    return Ticket(Kind.PREPROCESS, InstanceKey(f"1.{study}", f"1.{study}.1", f"1.{study}.1.{name}"), band, not_before)


def take(queue: Queue, limit: int = 10, *, worker: str = "anna", seconds: float = 60) -> list[Lease]:
    return queue.take(worker, kinds=ALL, limit=limit, lease_seconds=seconds)


@pytest.mark.parametrize("key", [StudyKey("1.2"), SeriesKey("1.2", "1.3"), InstanceKey("1.2", "1.3", "1.4", "other")])
def test_a_ticket_comes_back_as_it_was_put(queue: Queue, key: StudyKey | SeriesKey | InstanceKey) -> None:
    put = Ticket(Kind.REINDEX, key, Band.EAGER)
    queue.put([put])
    (lease,) = take(queue)
    assert (lease.ticket, lease.attempt) == (put, 1)


def test_equal_waiting_tickets_are_one_of_the_higher_band(queue: Queue) -> None:
    queue.put([ticket(1), ticket(2, band=Band.STUDY)])
    queue.put([ticket(1, band=Band.WAITING), ticket(2, band=Band.DERIVED)])
    assert [lease.ticket for lease in take(queue)] == [ticket(1, band=Band.WAITING), ticket(2, band=Band.STUDY)]


def test_equal_tickets_in_one_call_are_one(queue: Queue) -> None:
    queue.put([ticket(1), ticket(1, band=Band.SERIES), ticket(1)])
    assert [lease.ticket for lease in take(queue)] == [ticket(1, band=Band.SERIES)]


def test_an_earlier_time_wins_when_tickets_merge(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1, not_before=clock() + 50)])
    queue.put([ticket(1, not_before=clock() + 90)])
    clock.passes(60)
    assert len(take(queue)) == 1


def test_a_ticket_put_while_its_twin_is_leased_waits_for_itself(queue: Queue) -> None:
    queue.put([ticket(1)])
    (lease,) = take(queue)
    queue.put([ticket(1)])
    queue.done([lease])
    assert [again.ticket for again in take(queue)] == [ticket(1)]


def test_higher_bands_come_first(queue: Queue) -> None:
    queue.put([ticket(n, band=band) for n, band in enumerate(reversed(Band))])
    assert [lease.ticket.band for lease in take(queue)] == list(Band)


def test_studies_take_turns_inside_a_band(queue: Queue) -> None:
    queue.put([ticket(n, study=1) for n in range(20)])
    queue.put([ticket(n, study=2) for n in range(2)])
    first = [lease.ticket.key.study for lease in take(queue, 4)]
    assert sorted(first) == ["1.1", "1.1", "1.2", "1.2"]


def test_a_late_study_waits_behind_no_more_than_its_turn(queue: Queue) -> None:
    queue.put([ticket(n, study=1) for n in range(20)])
    queue.done(take(queue, 10))
    queue.put([ticket(1, study=2)])
    assert "1.2" in [lease.ticket.key.study for lease in take(queue, 2)]


def test_only_the_kinds_asked_for_are_taken(queue: Queue) -> None:
    queue.put([ticket(1), Ticket(Kind.RECONCILE, SeriesKey("1.1", "1.1.1"))])
    (lease,) = queue.take("anna", kinds=[Kind.RECONCILE], limit=5, lease_seconds=60)
    assert lease.ticket.kind is Kind.RECONCILE


def test_a_leased_ticket_is_nobody_elses_until_its_lease_runs_out(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    take(queue, seconds=60)
    assert take(queue, worker="berta") == []
    clock.passes(61)
    (lease,) = take(queue, worker="berta")
    assert lease.attempt == 2


def test_a_lapsed_ticket_comes_first_and_alone_so_that_what_ends_workers_takes_no_other_along(
    queue: Queue, clock: Clock
) -> None:
    queue.put([ticket(n) for n in range(3)])
    take(queue, seconds=10)
    queue.put([ticket(9, band=Band.WAITING)])
    clock.passes(11)
    taken = []
    for _ in range(5):
        leases = take(queue, worker="berta", seconds=60)
        taken.append([(lease.ticket, lease.attempt) for lease in leases])
        queue.done(leases)
    assert taken == [
        [(ticket(0), 2)],
        [(ticket(1), 2)],
        [(ticket(2), 2)],
        [(ticket(9, band=Band.WAITING), 1)],
        [],
    ]


def test_what_was_leased_or_delayed_before_the_clock_was_set_back_is_not_lost(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    take(queue, seconds=60)
    queue.put([ticket(2, not_before=clock() + 60)])
    clock.passes(-1_000_000)
    assert [[lease.ticket.key for lease in take(queue, worker="berta")] for _ in range(2)] == [
        [ticket(1).key],
        [ticket(2).key],
    ]


def test_only_lost_tickets_are_put_again_and_what_waits_keeps_its_delay(queue: Queue, clock: Clock) -> None:
    dead, leased, delayed, lost = (ticket(n) for n in range(4))
    queue.put([dead])
    queue.bury(take(queue)[0], reason="no pixels")
    queue.put([leased])
    take(queue)
    queue.put([replace(delayed, not_before=clock() + 30, band=Band.EAGER)])
    assert queue.put_missing([dead, leased, delayed, lost, lost]) == 1
    assert [lease.ticket for lease in take(queue)] == [lost]
    clock.passes(31)
    assert [lease.ticket.band for lease in take(queue)] == [Band.EAGER]


def test_one_heartbeat_keeps_every_lease_of_a_worker(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(n) for n in range(3)])
    take(queue, 2, seconds=60)
    take(queue, 1, worker="berta", seconds=60)
    clock.passes(50)
    assert queue.extend("anna", lease_seconds=60) == 2
    clock.passes(50)
    assert len(take(queue, worker="carl")) == 1


def test_what_is_done_is_gone_and_a_lost_lease_is_no_error(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    (lost,) = take(queue, seconds=10)
    clock.passes(11)
    (held,) = take(queue, worker="berta", seconds=10)
    queue.done([lost])
    assert queue.stats().leased == 1
    queue.done([held])
    queue.done([held])
    clock.passes(11)
    assert take(queue) == []


def test_a_lost_lease_can_neither_retry_nor_bury(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    (lost,) = take(queue, seconds=10)
    clock.passes(11)
    take(queue, worker="berta", seconds=10)
    queue.retry(lost, delay_seconds=0, reason="late")
    queue.bury(lost, reason="late")
    assert (queue.stats().leased, queue.stats().dead) == (1, 0)


def test_a_retry_waits_for_its_delay_and_counts_the_attempt(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    (lease,) = take(queue)
    queue.retry(lease, delay_seconds=30, reason="busy")
    assert (take(queue), queue.stats().delayed) == ([], 1)
    clock.passes(31)
    (again,) = take(queue)
    assert again.attempt == 2


def test_a_retry_beside_a_waiting_twin_leaves_one(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    (lease,) = take(queue)
    queue.put([ticket(1)])
    queue.retry(lease, delay_seconds=0, reason="busy")
    clock.passes(1)
    assert len(take(queue)) == 1


def test_a_dead_letter_rests_with_its_reason(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1)])
    (lease,) = take(queue)
    queue.bury(lease, reason="no pixels")
    clock.passes(1000)
    assert take(queue) == []
    (letter,) = queue.dead_letters()
    assert (letter.ticket, letter.attempts, letter.reason, letter.died) == (ticket(1), 1, "no pixels", 1_000_000.0)


def test_a_redriven_letter_starts_anew(queue: Queue) -> None:
    queue.put([ticket(1)])
    queue.bury(take(queue)[0], reason="no pixels")
    assert queue.redrive([queue.dead_letters()[0].id, 999]) == 1
    (lease,) = take(queue)
    assert (lease.attempt, queue.dead_letters()) == (1, [])


def test_a_letter_redriven_beside_a_waiting_twin_leaves_one(queue: Queue) -> None:
    queue.put([ticket(1)])
    queue.bury(take(queue)[0], reason="no pixels")
    queue.put([ticket(1)])
    assert queue.redrive([letter.id for letter in queue.dead_letters()]) == 1
    assert len(take(queue)) == 1


def test_dropped_letters_are_forgotten(queue: Queue) -> None:
    queue.put([ticket(n) for n in range(3)])
    for lease in take(queue):
        queue.bury(lease, reason="no pixels")
    first, *_ = queue.dead_letters(limit=1)
    assert queue.drop([first.id]) == 1
    assert len(queue.dead_letters(offset=1)) == 1


def test_the_figures_of_a_queue(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1, band=Band.WAITING), ticket(2), ticket(3), ticket(4, not_before=clock() + 99)])
    take(queue, 1)
    found = queue.stats()
    assert (found.waiting, found.delayed, found.leased, found.dead) == ({Band.DERIVED: 2}, 1, 1, 0)


def test_the_oldest_counts_from_when_it_could_be_taken_first(queue: Queue, clock: Clock) -> None:
    clock.time = time.time()
    queue.put([ticket(1), ticket(2, not_before=clock() + 40)])
    clock.passes(60)
    assert queue.stats().oldest_seconds == pytest.approx(60, abs=10)
    queue.done(take(queue, 1))
    assert queue.stats().oldest_seconds == pytest.approx(20, abs=10)
    queue.retry(*take(queue), delay_seconds=10, reason="not yet")
    assert queue.stats().oldest_seconds == 0


def test_what_the_clock_set_back_made_due_is_not_told_as_delayed(queue: Queue, clock: Clock) -> None:
    queue.put([ticket(1, not_before=clock() + 60)])
    clock.passes(-1_000_000)
    found = queue.stats()
    assert (found.waiting, found.delayed, found.oldest_seconds) == ({Band.DERIVED: 1}, 0, 0)


def test_putting_nothing_and_taking_nothing_is_no_error(queue: Queue) -> None:
    queue.put([])
    queue.done([])
    assert (take(queue, 0), take(queue), queue.redrive([]), queue.drop([])) == ([], [], 0, 0)
    assert queue.stats().oldest_seconds == 0
