"""Arrivals on their way through receive, and how many of them there may be."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dicomweb_server import metrics
from dicomweb_server.ingest.deciding import Compared
from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import Company, Derived, Fate, Origin, Outcome


@dataclass(eq=False, slots=True)
class Waiting:
    """A staged and derived instance that waits for its commit."""

    handed: Handed
    derived: Derived
    version: str
    object_key: str
    adopted: bool = False
    compared: Compared | None = None

    def succeed(self, fate: Fate) -> None:
        self.handed.leave()
        door = str(self.handed.origin.door)
        metrics.RECEIVED.labels(door, str(fate)).inc()
        metrics.RECEIVED_BYTES.labels(door).inc(self.handed.size)
        derived = self.derived
        outcome = Outcome(derived.key, derived.sop_class, fate, derived.warnings, derived.coerced)
        self.handed.answer.set_result(outcome)

    def fail(self, error: Exception) -> None:
        self.handed.fail(error)


@dataclass(eq=False, slots=True)
class Handed:
    """A staged file that a door handed over: whoever holds its ``answer`` learns what became of it."""

    staged: Path
    origin: Origin
    size: int
    gate: Gate
    answer: Future[Outcome]
    company: Company
    content: bytes | None = None
    """The whole file, until it is written."""

    def fail(self, error: Exception) -> None:
        metrics.RECEIVED.labels(str(self.origin.door), "failed").inc()
        self.leave()
        self.answer.set_exception(error)

    def leave(self) -> None:
        """The staged file is gone before anybody hears the answer."""
        with suppress(OSError):
            self.staged.unlink()
        self.gate.leave(self.size)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much may be inside receive at once."""

    arrivals: int = 20_000
    """Files handed over and not answered yet."""
    size: int = 32 << 30
    """Bytes of those files."""
    derived: int = 256
    """Files read and waiting for the commit, each with its metadata in memory."""


class Gate:
    """Counts what is inside, and refuses what would be too much."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._arrivals = 0
        self._size = 0

    def check(self) -> None:
        """Raises OutOfResources when nothing more may come in."""
        with self._changed:
            self._refuse_beyond(self._arrivals + 1, self._size)

    def enter(self, size: int) -> None:
        """Raises OutOfResources. One file alone may be of any size."""
        with self._changed:
            self._refuse_beyond(self._arrivals + 1, self._size + size if self._arrivals else 0)
            self._arrivals += 1
            self._size += size

    def leave(self, size: int) -> None:
        with self._changed:
            self._arrivals -= 1
            self._size -= size
            self._changed.notify_all()

    def wait_until_empty(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._arrivals == 0)

    def _refuse_beyond(self, arrivals: int, size: int) -> None:
        if arrivals > self._capacity.arrivals or size > self._capacity.size:
            raise OutOfResources("too many instances are being received at once")


class Level:
    """How much of something there is; a limit for who asks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._changing = threading.Lock()

    def add(self, size: int) -> None:
        with self._changing:
            self._size += size

    def has_room(self, size: int) -> bool:
        return self._size + size <= self._limit


class Inbox:
    """Derived arrivals on their way to the commit, which one thread at a time does for all of them.

    Whoever put one in takes what waits, unless another has it in hand: a thread of its own for the commit would cost
    each single arrival two switches.
    """

    def __init__(self, room: int, *, least: int = 64) -> None:
        self._room = room
        self._least = min(least, room)
        """So many are taken though more of them are to come together."""
        self._changed = threading.Condition()
        self._waiting: deque[Waiting] = deque()
        self._taken = False
        """Whether somebody commits."""
        self._closed = False
        self._bystanders = 0
        """Threads that wait for an answer, and will take what waits when nobody else does."""

    def put(self, arrival: Waiting) -> None:
        """Blocks while there is no room: this holds up the reading of more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._room)
            self._waiting.append(arrival)
            self._changed.notify_all()

    def put_back(self, arrivals: Iterable[Waiting]) -> None:
        """What was inside before goes in front, and never waits for room."""
        with self._changed:
            self._waiting.extendleft(reversed(list(arrivals)))
            self._changed.notify_all()

    def take(self) -> list[Waiting]:
        """Everything that waits, for the caller to commit; nothing while another does, or while more is to come."""
        with self._changed:
            return self._all() if self._is_due() else []

    def take_or_wait(self, answer: Future[Outcome]) -> list[Waiting]:
        """The same, but wait for it; nothing once ``answer`` is there, and others see to what waits."""
        with self._changed:
            self._bystanders += 1
            self._changed.wait_for(lambda: answer.done() or self._is_due())
            self._bystanders -= 1
            return self._all() if self._is_due() and not (answer.done() and self._bystanders) else []

    def committed(self) -> None:
        """What was taken is answered, or back again."""
        with self._changed:
            self._taken = False
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits for anything more to come."""
        with self._changed:
            self._closed = True

    def _is_due(self) -> bool:
        if self._taken or not self._waiting:
            return False
        if self._closed or len(self._waiting) >= self._least:
            return True
        return not all(each.handed.company.to_come for each in self._waiting)

    def _all(self) -> list[Waiting]:
        taken = list(self._waiting)
        self._waiting.clear()
        self._taken = True
        self._changed.notify_all()
        return taken


def first_of_each(arrivals: list[Waiting], limit: int) -> tuple[list[Waiting], list[Waiting]]:
    """Split into a batch in which no instance occurs twice, of at most ``limit``, and the rest, both in order."""
    batch: dict[InstanceKey, Waiting] = {}
    rest = []
    for arrival in arrivals:
        if len(batch) < limit and arrival.derived.key not in batch:
            batch[arrival.derived.key] = arrival
        else:
            rest.append(arrival)
    return list(batch.values()), rest
