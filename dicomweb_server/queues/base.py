"""Durable tickets. At least once: whoever takes a ticket asks the catalog what is really to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.messages import Band, Kind, Lease, Ticket

FAR_SECONDS = 86_400.0
"""Nobody leases or delays for so long: what ends later was given before the clock was set back, and is over now."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A ticket that was given up, with its reason."""

    id: int | str
    ticket: Ticket
    attempts: int
    reason: str
    died: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class QueueStats:
    waiting: dict[Band, int]
    delayed: int
    leased: int
    dead: int
    oldest_seconds: float
    """Age of the oldest ticket that could be taken now; 0 when none."""


class Queue(Protocol):
    """All calls block and belong in a thread."""

    def put(self, tickets: Sequence[Ticket]) -> None:
        """Durable on return. A ticket like one already waiting is merged with it, keeping the higher band."""

    def put_missing(self, tickets: Sequence[Ticket]) -> int:
        """Put those of which there is none, waiting, leased or dead; how many. What waits keeps its band and delay."""

    def take(self, worker: str, *, kinds: Sequence[Kind], limit: int, lease_seconds: float) -> list[Lease]:
        """Lease up to ``limit`` tickets, highest band first, fair inside a band; may be empty.

        A ticket whose lease ran out comes first and alone, so that one that ends its workers takes no other along.
        """

    def extend(self, worker: str, *, lease_seconds: float) -> int:
        """One heartbeat for every lease the worker holds; returns how many."""

    def done(self, leases: Sequence[Lease]) -> None:
        """Remove what was worked off. A lease lost meanwhile is no error."""

    def retry(self, lease: Lease, *, delay_seconds: float, reason: str) -> None:
        """Give it back, to be taken again not before the delay."""

    def bury(self, lease: Lease, *, reason: str) -> None:
        """Give it up: it rests as a dead letter until redriven or dropped."""

    def dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]: ...

    def redrive(self, ids: Sequence[int | str]) -> int:
        """Put dead letters back with no attempts on their record; returns how many there were."""

    def drop(self, ids: Sequence[int | str]) -> int:
        """Forget dead letters; returns how many there were."""

    def stats(self) -> QueueStats: ...
