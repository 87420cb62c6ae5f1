from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.results import DONE, Result
from dicomweb_server.queues.memory import MemoryQueue
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.workers.loop import Worker

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
