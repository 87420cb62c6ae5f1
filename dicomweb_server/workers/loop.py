"""Takes tickets, hands them to their stage in batches, and settles them.

A ticket is only a hint: the stage asks the catalog what is really to be done, so working one off twice, or after its
lease was lost, ends the same.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from dicomweb_server import metrics
from dicomweb_server.model.errors import BackendFailed, DicomwebError, OutOfResources
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.model.results import Again, Failed, Result
from dicomweb_server.queues.base import Queue
from dicomweb_server.signals.base import TICKETS, Signals
from dicomweb_server.workers.periodic import Periodic
from dicomweb_server.workers.policy import Policy

log = logging.getLogger(__name__)

BACKGROUND = frozenset({Band.EAGER, Band.DERIVED})
"""Nobody waits for these."""

DEFERRED = frozenset({Kind.PREPROCESS, Kind.REINDEX})
"""What these make is made on demand where it is missing, so they leave the machine to instances that come in fast."""

Stage = Callable[[Sequence[Ticket]], Sequence[Result]]
"""Works off tickets of one kind; one result for each, in their order."""


@dataclass(slots=True)
class Worker:
    """Runs in the thread that calls ``run``; several may share a queue, in one process or many."""

    queue: Queue
    signals: Signals
    stages: Mapping[Kind, Stage]
    name: str
    policy: Policy = field(default_factory=Policy)
    batch: int = 32
    lease_seconds: float = 60.0
    poll_seconds: float = 1.0
    gather_seconds: float = 0.25
    """After a small batch that nobody waited for: while instances come one by one, their tickets go in dozens."""
    in_burst: Callable[[], bool] = lambda: False
    """Whether instances come in so fast that what is ``DEFERRED`` waits."""
    given_up: Callable[[Lease, str], None] = lambda lease, reason: None
    """Told of every ticket before it becomes a dead letter, and why."""
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    _holder: str = field(default="", init=False)
    """Who holds the batch at hand: a new name for each, so that no heartbeat keeps what an earlier one left behind."""

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; the batch at hand is finished first."""
        ended = threading.Event()
        beat = threading.Thread(target=self._heartbeat, args=(ended,), name=f"{self.name}-heartbeat", daemon=True)
        beat.start()
        try:
            while not stop.is_set():
                self._turn(stop)
        finally:
            ended.set()
            beat.join()

    def work_once(self) -> int:
        """Take one batch and settle it; how many tickets that were."""
        return len(self._work())

    def _turn(self, stop: threading.Event) -> None:
        """One batch, and the pause after it. Whatever happens, the next turn comes."""
        try:
            leases = self._work()
            in_burst = self.in_burst()
        except Exception as error:
            # Queue or catalog are full or locked, as a rule. What was taken comes back when its lease runs out.
            log.error("%s cannot work now: %s", self.name, error, exc_info=not isinstance(error, BackendFailed))
            stop.wait(self.poll_seconds)
            return
        if not leases and not in_burst:
            self.signals.wait([TICKETS], timeout_seconds=self.poll_seconds)
        elif len(leases) < self.batch and all(lease.ticket.band in BACKGROUND for lease in leases):
            stop.wait(self.gather_seconds)

    def _work(self) -> list[Lease]:
        self._holder = f"{self.name}-{secrets.token_hex(4)}"
        kinds = [kind for kind in self.stages if kind not in DEFERRED or not self.in_burst()]
        try:
            leases = self.queue.take(self._holder, kinds=kinds, limit=self.batch, lease_seconds=self.lease_seconds)
            todo = [lease for lease in leases if not self._spent(lease)]
            for kind, some in groupby(sorted(todo, key=_kind), key=_kind):
                self._settle(list(some), self.stages[kind])
        finally:
            self._holder = ""
        return leases

    def _spent(self, lease: Lease) -> bool:
        """Give up what nobody ever came to the end of: its workers died, perhaps of it."""
        spent = lease.attempt > self.policy.attempts
        if spent:
            self._give_up(lease, f"its worker ended before it was done, {self.policy.attempts} times")
        return spent

    def _settle(self, leases: list[Lease], stage: Stage) -> None:
        begun = time.perf_counter()
        found = self._results(leases, stage)
        results = [self._excused(lease, result) for lease, result in zip(leases, found, strict=True)]
        _count(leases[0].ticket.kind, results, time.perf_counter() - begun)
        again = [
            replace(lease.ticket, not_before=self.now() + result.seconds)
            for lease, result in zip(leases, results, strict=True)
            if isinstance(result, Again)
        ]
        self.queue.put(again)
        for lease, result in zip(leases, results, strict=True):
            if isinstance(result, Failed):
                self._failed(lease, result)
        self.queue.done(
            [lease for lease, result in zip(leases, results, strict=True) if not isinstance(result, Failed)]
        )

    def _results(self, leases: list[Lease], stage: Stage) -> Sequence[Result]:
        tickets = [lease.ticket for lease in leases]
        try:
            return stage(tickets)
        except Exception as error:
            # Whatever a stage raises is the fate of its tickets, never of the worker.
            log.exception("stage %s failed on %d tickets", tickets[0].kind, len(tickets))
            if len(leases) == 1 or (isinstance(error, BackendFailed) and error.passing):
                return [Failed(error) for _ in leases]
        return [result for lease in leases for result in self._results([lease], stage)]

    def _excused(self, lease: Lease, result: Result) -> Result:
        """A full disk is no fault of the ticket: it waits, however long that takes."""
        if not isinstance(result, Failed) or not isinstance(result.error, OutOfResources):
            return result
        log.warning("%s of %s has to wait: %s", lease.ticket.kind, lease.ticket.key, result.error)
        return Again(result.error.retry_after)

    def _failed(self, lease: Lease, failed: Failed) -> None:
        reason = _reason(failed.error)
        delay = self.policy.delay_after(lease.attempt, failed.error, jitter=self.chance())
        if delay is None or failed.final:
            self._give_up(lease, reason)
        else:
            log.warning("%s of %s failed, again in %.0f s: %s", lease.ticket.kind, lease.ticket.key, delay, reason)
            self.queue.retry(lease, delay_seconds=delay, reason=reason)

    def _give_up(self, lease: Lease, reason: str) -> None:
        """The row first: should this end half way, the ticket comes back and it is done again."""
        log.error("gave up %s of %s after %d attempts: %s", lease.ticket.kind, lease.ticket.key, lease.attempt, reason)
        self.given_up(lease, reason)
        self.queue.bury(lease, reason=reason)

    def _heartbeat(self, ended: threading.Event) -> None:
        while not ended.wait(self.lease_seconds / 3):
            holder = self._holder
            try:
                if holder:
                    self.queue.extend(holder, lease_seconds=self.lease_seconds)
            except BackendFailed as error:
                log.error("%s cannot tell that it lives: %s", self.name, error)


def _reason(error: Exception) -> str:
    """For an operator. Of what was not raised on purpose only its kind: its text may quote what a file holds."""
    return str(error) if isinstance(error, DicomwebError | OSError) else f"{type(error).__name__} in the stage itself"


def _count(kind: Kind, results: Sequence[Result], seconds: float) -> None:
    for result in results:
        outcome = "again" if isinstance(result, Again) else "failed" if isinstance(result, Failed) else "done"
        metrics.TICKETS.labels(str(kind), outcome).inc()
        metrics.TICKET_SECONDS.labels(str(kind)).observe(seconds / len(results))


def _kind(lease: Lease) -> Kind:
    return lease.ticket.kind


def run_all(workers: Iterable[Worker | Periodic], stop: threading.Event) -> None:
    """Run several workers side by side until ``stop``; returns when all have finished their batches."""
    threads = [threading.Thread(target=worker.run, args=(stop,), name=worker.name) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
