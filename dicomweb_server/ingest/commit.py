"""The group commit: whatever queued up while the last one ran shares one sync pass and one transaction.

Order matters. The objects are durable first; then row, state and ticket in one transaction; then the answers. A crash
in between leaves staged files or objects that belong to no row, which the sweep removes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dicomweb_server.catalog.base import Holdings, NewVersion
from dicomweb_server.ingest.arrivals import Waiting, first_of_each
from dicomweb_server.ingest.deciding import Compare, Decision, Drop, Keep, Policy, Store, decide
from dicomweb_server.model.errors import BackendFailed, Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.records import Door, Fate, Origin, Version
from dicomweb_server.objects.base import ObjectStore, Staged
from dicomweb_server.signals.base import CHANGED, TICKETS, Signals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is left over from a commit."""

    again: list[Waiting] = field(default_factory=list)
    """To be decided anew: another writer got in first, or the instance was in the batch twice."""
    compare: list[tuple[Waiting, Version]] = field(default_factory=list)
    """To be compared with what is stored, elsewhere, and then decided anew."""


@dataclass(frozen=True, slots=True)
class GroupCommit:
    objects: ObjectStore
    holdings: Holdings
    signals: Signals
    policy: Policy = Policy.KEEP_FIRST
    batch: int = 128
    quiet_seconds: float = 5.0
    """When a pushed series may first be at rest: its reconcile ticket is not looked at before."""
    now: Callable[[], float] = time.time
    source_of: Callable[[Origin, InstanceKey], str | None] = lambda origin, key: origin.source
    """Name of the source whose pull brought an arrival, or None: then it was pushed."""

    def __call__(self, arrivals: Sequence[Waiting]) -> Settled:
        """Decide and store ``arrivals``; every one is answered, or comes back in what is left over."""
        batch, rest = first_of_each(list(arrivals), self.batch)
        try:
            settled = self._commit(batch)
        except BackendFailed as error:
            if error.passing or len(batch) == 1:
                return _fail(batch, error, rest)
            settled = self._one_by_one(batch)
        settled.again.extend(rest)
        return settled

    def _one_by_one(self, batch: list[Waiting]) -> Settled:
        """One that cannot be stored must not cost the others."""
        settled = Settled()
        for arrival in batch:
            each = self([arrival])
            settled.again.extend(each.again)
            settled.compare.extend(each.compare)
        return settled

    def _commit(self, batch: list[Waiting]) -> Settled:
        current = self.holdings.current([arrival.derived.key for arrival in batch])
        settled = Settled()
        dropped: list[tuple[Waiting, Fate]] = []
        storing: list[tuple[Waiting, Store]] = []
        for arrival in batch:
            known = current.get(arrival.derived.key)
            if known is None and arrival.adopted and (deleted := self._deleted(arrival)) is not None:
                self._delete([arrival.object_key])
                arrival.fail(deleted)
                continue
            match self._decision(arrival, known):
                case Store() as store:
                    storing.append((arrival, store))
                case Drop(fate):
                    dropped.append((arrival, fate))
                case Keep(fate):
                    arrival.succeed(fate)
                case Compare(version):
                    settled.compare.append((arrival, version))
        if storing:
            self._store(storing, settled)
        self._drop(dropped)
        return settled

    def _decision(self, arrival: Waiting, known: Version | None) -> Decision:
        """What has no whole file any more is held by nobody: whoever sends it again heals it."""
        decision = decide(self.policy, arrival.derived, arrival.version, known, arrival.compared)
        if known is not None and isinstance(decision, Drop | Compare) and not self._is_whole(known):
            return Store(Fate.STORED, over=known.version)
        return decision

    def _is_whole(self, known: Version) -> bool:
        try:
            return self.objects.stat(known.object_key).size == known.size
        except NotFound:
            return False

    def _store(self, storing: list[tuple[Waiting, Store]], settled: Settled) -> None:
        arrivals = [arrival for arrival, _ in storing]
        self._adopt([arrival for arrival in arrivals if not arrival.adopted])
        written = self.holdings.store(
            [self._new_version(arrival, store) for arrival, store in storing], tickets=self._tickets(arrivals)
        )
        self.signals.announce(TICKETS)
        for (arrival, store), won in zip(storing, written, strict=True):
            if won:
                arrival.succeed(store.fate)
                self._tell(arrival)
            else:
                settled.again.append(arrival)

    def _deleted(self, arrival: Waiting) -> Gone | None:
        """Why an arrival that could not be written never will: it was deleted here while its source sent it."""
        key = arrival.derived.key
        if self.source_of(arrival.handed.origin, key) is None:
            return None
        try:
            self.holdings.version(key)
        except Gone as error:
            return error
        except NotFound:
            pass
        return None

    def _tell(self, arrival: Waiting) -> None:
        """Somebody may wait for what a C-MOVE brings, in another process."""
        if arrival.handed.origin.move_message_id is not None:
            key = arrival.derived.key
            self.signals.announce(CHANGED, f"{key.study}/{key.series}/{key.instance}")

    def _new_version(self, arrival: Waiting, store: Store) -> NewVersion:
        origin = arrival.handed.origin
        origin = replace(origin, source=self.source_of(origin, arrival.derived.key))
        return NewVersion(arrival.derived, origin, arrival.version, arrival.object_key, store.over)

    def _adopt(self, arrivals: list[Waiting]) -> None:
        if not arrivals:
            return
        try:
            self.objects.adopt([Staged(arrival.handed.staged, arrival.object_key) for arrival in arrivals])
        except BackendFailed:
            self._delete([arrival.object_key for arrival in arrivals])
            raise
        for arrival in arrivals:
            arrival.adopted = True

    def _tickets(self, arrivals: list[Waiting]) -> list[Ticket]:
        pushed: dict[SeriesKey, bool] = {}
        for arrival in arrivals:
            series = arrival.derived.key.of_series
            pushed[series] = pushed.get(series, False) or arrival.handed.origin.door is not Door.FETCH
        quiet = self.now() + self.quiet_seconds
        return [
            *(
                Ticket(Kind.RECONCILE, key, Band.EAGER, not_before=quiet if waits else 0.0)
                for key, waits in pushed.items()
            ),
            *(Ticket(Kind.PREPROCESS, arrival.derived.key) for arrival in arrivals),
        ]

    def _drop(self, dropped: list[tuple[Waiting, Fate]]) -> None:
        self._delete([arrival.object_key for arrival, _ in dropped if arrival.adopted])
        for arrival, fate in dropped:
            arrival.succeed(fate)

    def _delete(self, orphans: list[str]) -> None:
        """Best effort: what cannot be removed now is swept later."""
        if orphans:
            try:
                self.objects.delete(orphans)
            except BackendFailed:
                log.warning("%d objects that belong to no instance are left to the sweep", len(orphans))


def _fail(batch: list[Waiting], error: BackendFailed, rest: list[Waiting]) -> Settled:
    # Adopted objects stay: nobody knows how much of a failed transaction was written. The sweep looks again.
    for arrival in batch:
        arrival.fail(error)
    return Settled(again=rest)
