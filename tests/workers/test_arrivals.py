from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.results import DONE, Result
from dicomweb_server.queues.memory import MemoryQueue
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.workers.arrivals import Arrivals
from dicomweb_server.workers.loop import Worker


@dataclass
class Stream:
    """Instances coming in, looked at ten times a second."""

    count: int = 0
    time: float = 0.0
    arrivals: Arrivals = field(init=False)

    def __post_init__(self) -> None:
        self.arrivals = Arrivals(lambda: self.count, now=lambda: self.time, per_second=20, look_seconds=0.05)

    def after(self, seconds: float, *, per_second: float) -> bool:
        """Whether it is a burst then."""
        for _ in range(round(seconds * 10)):
            self.time += 0.1
            self.count += round(per_second / 10)
            found = self.arrivals.in_burst()
        return found


@pytest.mark.parametrize(
    ("stream", "burst"),
    [
        ([(1.0, 100.0)], True),
        ([(1.0, 10.0)], False),
        ([(5.0, 100.0), (0.1, 0.0)], False),
        ([(29.0, 100.0)], True),
        ([(31.0, 100.0)], False),
        ([(31.0, 100.0), (1.0, 0.0), (1.0, 100.0)], True),
    ],
    ids=["fast", "slow", "over", "fast for long", "fast for ever", "fast again"],
)
def test_a_burst_is_fast_and_ends(stream: list[tuple[float, float]], burst: bool) -> None:
    coming = Stream()
    assert not coming.arrivals.in_burst()
    assert [coming.after(seconds, per_second=rate) for seconds, rate in stream][-1] is burst


def test_one_that_comes_after_a_while_may_be_the_first_of_a_burst() -> None:
    coming = Stream()
    coming.arrivals.in_burst()
    coming.time, coming.count = 10.0, 1
    assert coming.arrivals.in_burst()
    assert not coming.after(0.1, per_second=0.0)


def test_pictures_wait_for_the_end_of_a_burst_and_series_do_not() -> None:
    queue, burst = MemoryQueue(), [True]
    worked: list[Kind] = []

    def stage(tickets: Sequence[Ticket]) -> list[Result]:
        worked.extend(each.kind for each in tickets)
        return [DONE for _ in tickets]

    queue.put([Ticket(Kind.PREPROCESS, InstanceKey("1", "2", "3")), Ticket(Kind.RECONCILE, SeriesKey("1", "2"))])
    stages = dict.fromkeys((Kind.PREPROCESS, Kind.RECONCILE), stage)
    worker = Worker(queue, MemorySignals(), stages, "one", in_burst=lambda: burst[0])
    assert (worker.work_once(), worked) == (1, [Kind.RECONCILE])
    burst[0] = False
    assert (worker.work_once(), worked) == (1, [Kind.RECONCILE, Kind.PREPROCESS])
