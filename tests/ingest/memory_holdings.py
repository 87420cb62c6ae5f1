"""The part of a catalog that receive asks, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from dicomweb_server.catalog.base import Holdings, NewVersion, SeriesProgress
from dicomweb_server.model.errors import BackendFailed, Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Version


@dataclass
class MemoryHoldings:
    """``failures`` are raised by the next calls of ``store``, ``writes_despite`` after having written."""

    rows: dict[InstanceKey, Version] = field(default_factory=dict)
    tickets: list[Ticket] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    failures: list[BackendFailed] = field(default_factory=list)
    writes_despite: bool = False
    intruder: NewVersion | None = None
    """Stored by another writer just before the next batch."""
    indigestible: set[InstanceKey] = field(default_factory=set)
    """No transaction with one of these succeeds."""
    buried: set[InstanceKey] = field(default_factory=set)
    """Deleted, so that no source brings them back."""
    gate: threading.Event = field(default_factory=threading.Event)
    """``store`` waits for it."""

    def __post_init__(self) -> None:
        self.gate.set()

    def current(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, Version]:
        return {key: self.rows[key] for key in keys if key in self.rows}

    def store(self, batch: Sequence[NewVersion], *, tickets: Sequence[Ticket] = ()) -> list[bool]:
        self.gate.wait()
        if self.intruder is not None:
            self._write(self.intruder)
            self.intruder = None
        if self.failures:
            if self.writes_despite:
                for new in batch:
                    self._write(new)
            raise self.failures.pop(0)
        if any(new.derived.key in self.indigestible for new in batch):
            raise BackendFailed("an odd value")
        self.transactions.append(len(batch))
        self.tickets.extend(tickets)
        return [self._write(new) for new in batch]

    def version(self, key: InstanceKey) -> Version:
        if key in self.buried:
            raise Gone("deleted before")
        try:
            return self.rows[key]
        except KeyError:
            raise NotFound("no such instance") from None

    def versions(self, scope: Scope) -> list[Version]:
        return [row for key, row in sorted(self.rows.items()) if scope in (key, key.of_series, key.of_study)]

    def metadata(self, scope: Scope) -> list[bytes]:
        raise NotFound("no metadata is kept")

    def series_progress(self, key: SeriesKey) -> SeriesProgress:
        raise NotFound("no progress is kept")

    def series_of(self, key: StudyKey) -> list[SeriesProgress]:
        raise NotFound("no progress is kept")

    def delete(self, scope: Scope, *, reason: str, tombstone: bool = True) -> list[str]:
        found = self.versions(scope)
        if not found:
            raise Gone("deleted before")
        for row in found:
            del self.rows[row.key]
        return [row.object_key for row in found]

    def _write(self, new: NewVersion) -> bool:
        key = new.derived.key
        current = self.rows.get(key)
        if key in self.buried and new.origin.source is not None:
            return False
        if (current.version if current else None) != new.over:
            return False
        derived = new.derived
        self.rows[key] = Version(
            key,
            new.version,
            new.object_key,
            derived.size,
            derived.digest,
            derived.sop_class,
            derived.transfer_syntax,
            derived.frames,
            derived.frame_count,
        )
        return True


_: type[Holdings] = MemoryHoldings
