"""The sweep finishes what a crash cut short: lost tickets, files that belong to nobody. Every step may run twice."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.notices.base import Notice, Notices, Subject
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.queues.base import Queue
from dicomweb_server.reconcile.audit import Audit
from dicomweb_server.reconcile.lost import queue_lost
from dicomweb_server.reconcile.moot import drop_moot
from dicomweb_server.signals.base import TICKETS, Signals

log = logging.getLogger(__name__)

LEASE_SECONDS = 600.0
"""Longer than a sweep takes; whoever died in the middle of one holds it no longer."""
STALE_SECONDS = 24 * 3600.0
"""An arrival that nobody wrote to for so long was left by a process that is gone."""
ORPHANS_SECONDS = 24 * 3600.0
"""How often the object store is listed whole."""


@dataclass(slots=True)
class Sweep:
    catalog: Catalog
    objects: ObjectStore
    queue: Queue
    signals: Signals
    notices: Notices | None = None
    holder: str = ""
    tombstones_seconds: float = 0.0
    """For how long what was deleted is remembered; 0 for ever."""
    stuck_seconds: float = 0.0
    """After how long without an arrival somebody is told of a series that is being fetched; 0 never."""
    now: Callable[[], float] = time.time
    wait: Callable[[float], bool] = threading.Event().wait
    """Waits for so many seconds, or less, and answers whether the worker is to stop."""
    _told: set[SeriesKey] = field(default_factory=set, init=False)
    """The stuck series somebody was told of."""

    def __call__(self) -> None:
        """Only one at a time, wherever it runs."""
        if not self.catalog.mending.take_lease("sweep", self.holder, seconds=LEASE_SECONDS):
            return
        try:
            self._sweep()
        finally:
            self.catalog.mending.take_lease("sweep", self.holder, seconds=0.0)

    def _sweep(self) -> None:
        self.find_lost()
        drop_moot(self.catalog, self.queue)
        self.tell_of_stuck()
        if self.tombstones_seconds:
            self.catalog.mending.forget_tombstones(before=self.now() - self.tombstones_seconds)
        self.remove_stale()
        self._sweep_objects()

    def _sweep_objects(self) -> None:
        """Once a day, however many workers there are and however often they start: nobody takes that lease again.

        One that was interrupted is begun anew.
        """
        mending, holder = self.catalog.mending, secrets.token_hex(4)
        if mending.take_lease("orphans", holder, seconds=ORPHANS_SECONDS):
            finished = False
            try:
                self.remove_orphans()
                finished = not self.wait(0.0)
            finally:
                if not finished:
                    mending.take_lease("orphans", holder, seconds=0.0)

    def find_lost(self) -> int:
        """Queue work that the rows want done and nobody has a ticket for; how much."""
        queued = queue_lost(self.catalog, self.queue)
        if queued:
            self.signals.announce(TICKETS)
        return queued

    def tell_of_stuck(self) -> int:
        """Tell a person of series to which nothing comes any more though it should, once each time; how many."""
        if not self.stuck_seconds or self.notices is None:
            return 0
        found = self.catalog.mending.stuck(before=self.now() - self.stuck_seconds)
        new = [key for key in found if key not in self._told]
        self._told = set(found)
        for key in new:
            text = "a series is being fetched, and nothing of it came for long; its source may need a look"
            self.notices.send(Notice(Subject.SERIES_STUCK, key.series, text, {"study": key.study}))
        return len(new)

    def remove_stale(self) -> int:
        """Remove arrivals that were never handed over."""
        removed = 0
        for path in self.objects.staging().iterdir():
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < self.now() - STALE_SECONDS:
                    path.unlink()
                    removed += 1
        if removed:
            log.warning("%d arrivals that were never finished are removed", removed)
        return removed

    def remove_orphans(self) -> int:
        """Remove objects that no row names and that are older than any transaction on its way."""
        removed = 0
        for orphan in Audit(self.objects, self.catalog, now=self.now, wait=self.wait).orphans():
            self.objects.delete([orphan])
            removed += 1
        if removed:
            log.warning("%d objects that belonged to nobody are removed", removed)
        return removed
