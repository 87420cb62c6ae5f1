"""Tickets in this process only: for tests, and as the plainest reading of the contract."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from dicomweb_server.model.ids import Scope
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.queues.base import FAR_SECONDS, DeadLetter, Queue, QueueStats


@dataclass(slots=True)
class _Entry:
    id: int
    ticket: Ticket
    turn: int
    created: float
    attempt: int = 0
    worker: str | None = None
    until: float = 0.0
    reason: str = ""
    died: float | None = None

    @property
    def waiting(self) -> bool:
        return self.worker is None and self.died is None

    @property
    def order(self) -> tuple[str, int, int]:
        return self.ticket.band, self.turn, self.id


class MemoryQueue:
    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._entries: dict[int, _Entry] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def put(self, tickets: Sequence[Ticket]) -> None:
        with self._lock:
            self._put(tickets)

    def put_missing(self, tickets: Sequence[Ticket]) -> int:
        with self._lock:
            known = {(entry.ticket.kind, entry.ticket.key) for entry in self._entries.values()}
            lost = [ticket for ticket in tickets if (ticket.kind, ticket.key) not in known]
            before = len(self._entries)
            self._put(lost)
            return len(self._entries) - before

    def take(self, worker: str, *, kinds: Sequence[Kind], limit: int, lease_seconds: float) -> list[Lease]:
        now = self._now()
        with self._lock:
            mine = [entry for entry in self._entries.values() if entry.ticket.kind in kinds and entry.died is None]
            lapsed = [entry for entry in mine if entry.worker is not None and _over(entry.until, now)]
            due = [entry for entry in mine if entry.worker is None and _over(entry.ticket.not_before, now)]
            chosen = (sorted(lapsed, key=_lapse)[:1] or sorted(due, key=_order))[: max(0, limit)]
            for entry in chosen:
                entry.worker, entry.until = worker, now + lease_seconds
                entry.attempt += 1
            return [Lease(entry.id, entry.ticket, entry.attempt, entry.until) for entry in chosen]

    def extend(self, worker: str, *, lease_seconds: float) -> int:
        now = self._now()
        with self._lock:
            held = [entry for entry in self._entries.values() if entry.worker == worker and entry.until >= now]
            for entry in held:
                entry.until = now + lease_seconds
        return len(held)

    def done(self, leases: Sequence[Lease]) -> None:
        with self._lock:
            for lease in leases:
                if self._held(lease):
                    del self._entries[int(lease.id)]

    def retry(self, lease: Lease, *, delay_seconds: float, reason: str) -> None:
        with self._lock:
            entry = self._held(lease)
            if entry is None:
                return
            if any(self._twins(entry.ticket)):
                del self._entries[entry.id]
                return
            entry.ticket = replace(entry.ticket, not_before=self._now() + delay_seconds)
            entry.worker, entry.reason = None, reason

    def bury(self, lease: Lease, *, reason: str) -> None:
        with self._lock:
            entry = self._held(lease)
            if entry is not None:
                entry.worker, entry.reason, entry.died = None, reason, self._now()

    def dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        with self._lock:
            dead = [
                DeadLetter(entry.id, entry.ticket, entry.attempt, entry.reason, entry.died)
                for entry in self._entries.values()
                if entry.died is not None
            ]
        return sorted(dead, key=lambda letter: (letter.died, letter.id))[offset : offset + limit]

    def redrive(self, ids: Sequence[int | str]) -> int:
        with self._lock:
            dead = self._dead(ids)
            for entry in dead:
                del self._entries[entry.id]
            self._put([replace(entry.ticket, not_before=0.0) for entry in dead])
        return len(dead)

    def drop(self, ids: Sequence[int | str]) -> int:
        with self._lock:
            dead = self._dead(ids)
            for entry in dead:
                del self._entries[entry.id]
        return len(dead)

    def stats(self) -> QueueStats:
        now = self._now()
        with self._lock:
            entries = list(self._entries.values())
        due = [entry for entry in entries if entry.waiting and _over(entry.ticket.not_before, now)]
        waiting = {band: sum(entry.ticket.band is band for entry in due) for band in Band}
        since = [max(entry.created, entry.ticket.not_before) for entry in due]
        return QueueStats(
            {band: count for band, count in waiting.items() if count},
            sum(entry.waiting for entry in entries) - len(due),
            sum(entry.worker is not None for entry in entries),
            sum(entry.died is not None for entry in entries),
            max(0.0, now - min(since, default=now)),
        )

    def _put(self, tickets: Iterable[Ticket]) -> None:
        """Turns follow the order in which tickets are given, places in the queue their names."""
        merged: dict[tuple[Kind, Scope], Ticket] = {}
        for given in tickets:
            same = merged.get((given.kind, given.key), given)
            earliest = min(given.not_before, same.not_before)
            merged[given.kind, given.key] = replace(given, band=min(given.band, same.band), not_before=earliest)
        turns: dict[tuple[str, ...], int] = {}
        numbered = []
        for ticket in merged.values():
            lane = (ticket.kind, ticket.band, *_study(ticket))
            turns[lane] = (turns[lane] if lane in turns else self._last_turn(lane)) + 1
            numbered.append((ticket, turns[lane]))
        for ticket, turn in sorted(numbered, key=lambda each: _name(each[0])):
            self._merge(ticket, turn)

    def _merge(self, ticket: Ticket, turn: int) -> None:
        for twin in self._twins(ticket):
            twin.turn = turn if ticket.band < twin.ticket.band else twin.turn
            earliest = min(ticket.not_before, twin.ticket.not_before)
            twin.ticket = replace(twin.ticket, band=min(ticket.band, twin.ticket.band), not_before=earliest)
            return
        new = _Entry(next(self._ids), ticket, turn, self._now())
        self._entries[new.id] = new

    def _last_turn(self, lane: tuple[str, ...]) -> int:
        """Studies take turns: the last of this study, and no less than the one before what is next."""
        kind, band, *study = lane
        beside = [
            entry
            for entry in self._entries.values()
            if (entry.ticket.kind, entry.ticket.band) == (kind, band) and entry.died is None
        ]
        of_study = [entry.turn for entry in beside if _study(entry.ticket) == tuple(study)]
        first = min((entry.turn for entry in beside if entry.waiting), default=1)
        return max(max(of_study, default=0), first - 1)

    def _twins(self, ticket: Ticket) -> Iterable[_Entry]:
        return (
            entry
            for entry in self._entries.values()
            if entry.waiting and (entry.ticket.kind, entry.ticket.key) == (ticket.kind, ticket.key)
        )

    def _held(self, lease: Lease) -> _Entry | None:
        entry = self._entries.get(int(lease.id))
        held = entry is not None and entry.worker is not None and entry.attempt == lease.attempt
        return entry if held else None

    def _dead(self, ids: Sequence[int | str]) -> list[_Entry]:
        names = {int(name) for name in ids}
        return [entry for entry in self._entries.values() if entry.id in names and entry.died is not None]


def _study(ticket: Ticket) -> tuple[str, str]:
    return ticket.key.tenant, ticket.key.study


def _name(ticket: Ticket) -> tuple[str, ...]:
    key = ticket.key
    return ticket.kind, key.tenant, key.study, getattr(key, "series", ""), getattr(key, "instance", "")


def _over(until: float, now: float) -> bool:
    return not now < until <= now + FAR_SECONDS


def _lapse(entry: _Entry) -> tuple[float, int]:
    return entry.until, entry.id


def _order(entry: _Entry) -> tuple[str, int, int]:
    return entry.order


_: type[Queue] = MemoryQueue
