from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest

from dicomweb_server.model.errors import BackendFailed, NotFound, OutOfResources
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.model.results import DONE, Failed, Result
from dicomweb_server.queues.memory import MemoryQueue
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.workers.loop import Worker
from dicomweb_server.workers.policy import Policy
from tests.queues.conftest import Clock

LONG = 30.0
"""Seconds; no test waits for them."""


class _Stage:
    """Puts the second ticket while it works off the first."""

    def __init__(self, queue: MemoryQueue, second: Ticket) -> None:
        self._queue = queue
        self._second = second
        self.worked: list[Ticket] = []
        self.first_done = threading.Event()
        self.second_done = threading.Event()

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        if not self.worked:
            self._queue.put([self._second])
        self.worked += tickets
        (self.second_done if self._second in self.worked else self.first_done).set()
        return [DONE for _ in tickets]


def _two(band: Band) -> tuple[Ticket, Ticket]:
    one, other = (Ticket(Kind.PREPROCESS, InstanceKey("1.2", "1.2.3", f"1.2.3.{n}"), band) for n in (1, 2))
    return one, other


def _running(queue: MemoryQueue, stage: _Stage, stop: threading.Event, *, batch: int) -> threading.Thread:
    worker = Worker(
        queue, MemorySignals(), {Kind.PREPROCESS: stage}, "one", batch=batch, poll_seconds=0.01, gather_seconds=LONG
    )
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    return running


@pytest.mark.parametrize(("band", "batch"), [(Band.WAITING, 32), (Band.SERIES, 32), (Band.DERIVED, 1)])
def test_what_somebody_waits_for_and_full_batches_follow_one_another_at_once(band: Band, batch: int) -> None:
    queue, stop = MemoryQueue(), threading.Event()
    first, second = _two(band)
    stage = _Stage(queue, second)
    queue.put([first])
    running = _running(queue, stage, stop, batch=batch)
    worked = stage.second_done.wait(LONG / 3)
    stop.set()
    running.join(LONG)
    assert worked


def test_after_a_small_batch_in_the_background_tickets_gather_and_stopping_waits_for_none() -> None:
    queue, stop = MemoryQueue(), threading.Event()
    first, second = _two(Band.DERIVED)
    stage = _Stage(queue, second)
    queue.put([first])
    running = _running(queue, stage, stop, batch=32)
    assert stage.first_done.wait(LONG / 3)
    stop.set()
    running.join(LONG / 3)
    assert not running.is_alive()
    assert stage.worked == [first]
    assert queue.stats().waiting == {Band.DERIVED: 1}


class _Died(BaseException):
    """Stands for the end of the worker's process: nobody catches it, nothing is settled."""


def _tickets(count: int) -> list[Ticket]:
    return [Ticket(Kind.PREPROCESS, InstanceKey("1.2", "1.2.3", f"1.2.3.{n}")) for n in range(count)]


def test_what_ends_its_workers_is_given_up_after_its_tries_and_takes_no_other_along() -> None:
    clock, given_up = Clock(), []
    worked: set[Ticket] = set()
    queue = MemoryQueue(now=clock)
    tickets = _tickets(8)
    queue.put(tickets)

    def stage(some: Sequence[Ticket]) -> list[Result]:
        if tickets[3] in some:
            raise _Died
        worked.update(some)
        return [DONE for _ in some]

    for _ in range(30):
        worker = Worker(
            queue,
            MemorySignals(),
            {Kind.PREPROCESS: stage},
            "one",
            policy=Policy(attempts=3),
            given_up=lambda lease, reason: given_up.append(lease.ticket),
        )
        with suppress(_Died):
            worker.work_once()
        clock.passes(61)
    (letter,) = queue.dead_letters()
    assert (letter.ticket, given_up) == (tickets[3], [tickets[3]])
    assert letter.reason == "its worker ended before it was done, 3 times"
    assert worked == set(tickets) - {tickets[3]}


class _FailsOnce(MemoryQueue):
    """The database is full or locked just when the first batch is settled."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error: Exception | None = error

    def done(self, leases: Sequence[Lease]) -> None:
        if leases and (error := self._error):
            self._error = None
            raise error
        super().done(leases)


@pytest.mark.parametrize("error", [BackendFailed("locked", passing=True), RuntimeError("a fault of ours")])
def test_a_batch_that_could_not_be_settled_comes_back_although_its_worker_lives_on(error: Exception) -> None:
    queue, stop, times = _FailsOnce(error), threading.Event(), []
    twice = threading.Event()
    queue.put(_tickets(1))

    def stage(some: Sequence[Ticket]) -> list[Result]:
        times.append(len(some))
        if len(times) == 2:
            twice.set()
        return [DONE for _ in some]

    worker = Worker(
        queue, MemorySignals(), {Kind.PREPROCESS: stage}, "one", lease_seconds=0.3, poll_seconds=0.01, gather_seconds=0
    )
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    assert twice.wait(LONG / 3)
    stop.set()
    running.join(LONG)
    assert queue.stats().leased == 0


def test_the_batch_at_hand_is_kept_while_the_worker_stops() -> None:
    queue, stop = MemoryQueue(), threading.Event()
    began, told = threading.Event(), threading.Event()
    queue.put(_tickets(1))

    def stage(some: Sequence[Ticket]) -> list[Result]:
        began.set()
        told.wait(LONG)
        return [DONE for _ in some]

    worker = Worker(queue, MemorySignals(), {Kind.PREPROCESS: stage}, "one", lease_seconds=0.3)
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    assert began.wait(LONG / 3)
    stop.set()
    for _ in range(8):
        threading.Event().wait(0.1)
        assert queue.take("other", kinds=[Kind.PREPROCESS], limit=1, lease_seconds=9) == []
    told.set()
    running.join(LONG)
    assert queue.stats().leased == 0


@pytest.mark.parametrize(
    ("error", "calls"), [(BackendFailed("locked", passing=True), [3]), (NotFound("x"), [3, 1, 1, 1])]
)
def test_what_befalls_all_alike_is_not_tried_one_by_one(error: Exception, calls: list[int]) -> None:
    queue, seen = MemoryQueue(), []
    queue.put(_tickets(3))

    def stage(some: Sequence[Ticket]) -> list[Result]:
        seen.append(len(some))
        raise error

    Worker(queue, MemorySignals(), {Kind.PREPROCESS: stage}, "one").work_once()
    assert seen == calls


def test_a_full_disk_is_no_fault_of_a_ticket_however_long_it_lasts() -> None:
    clock = Clock()
    queue = MemoryQueue(now=clock)
    queue.put(_tickets(2))
    full = [Failed(OutOfResources("disk full"))] * 2
    worker = Worker(queue, MemorySignals(), {Kind.PREPROCESS: lambda some: full[: len(some)]}, "one", now=clock)
    for _ in range(20):
        assert worker.work_once() == 2
        clock.passes(11)
    assert (queue.stats().dead, sum(queue.stats().waiting.values())) == (0, 2)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(NotFound("no such instance"), "no such instance"), (ValueError("Doe^Jane"), "ValueError in the stage itself")],
)
def test_reasons_are_for_operators_and_quote_no_file(error: Exception, reason: str) -> None:
    queue = MemoryQueue()
    queue.put(_tickets(1))
    policy = Policy(attempts=1)
    Worker(queue, MemorySignals(), {Kind.PREPROCESS: lambda some: [Failed(error)]}, "one", policy=policy).work_once()
    assert [letter.reason for letter in queue.dead_letters()] == [reason]


def test_what_its_row_says_is_given_up_is_not_tried_again() -> None:
    queue = MemoryQueue()
    queue.put(_tickets(1))
    final = Failed(BackendFailed("no answer", passing=True), final=True)
    Worker(queue, MemorySignals(), {Kind.PREPROCESS: lambda some: [final]}, "one").work_once()
    assert [letter.attempts for letter in queue.dead_letters()] == [1]
