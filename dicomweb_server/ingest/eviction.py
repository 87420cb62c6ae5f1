"""Eviction: what a source can send again leaves, the longest unviewed first; its rows stay, announced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dicomweb_server.catalog.base import Caching
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import Scope
from dicomweb_server.objects import layout
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.signals.base import CHANGED, Signals

log = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
"""Between the rows and the bytes: readers learn of the rows within half a second, and hold open what they read."""


@dataclass(frozen=True, slots=True)
class Evict:
    objects: ObjectStore
    caching: Caching
    signals: Signals
    max_bytes: int = 0
    """No bound when 0."""
    max_age_seconds: float = 0.0
    """Series unviewed for longer leave; none by age when 0."""
    keep_viewed_seconds: float = 600.0
    """What was viewed within this stays, whatever the bounds: somebody may be reading it."""
    keep_arrived_seconds: float = 5.0
    """So does what came within this: whoever waited for it has to read it yet."""
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __call__(self) -> int:
        """Bring the cache within its bounds; the bytes set free, less than wanted when the rest is in use."""
        freed = 0
        if self.max_age_seconds:
            freed += self._leave(self._idle(self.max_age_seconds), until=None)
        if self.max_bytes:
            over = self.caching.size() - self.max_bytes
            if over > 0:
                freed += self._leave(self._idle(self.keep_viewed_seconds), until=over)
        return freed

    def purge(self, scope: Scope) -> int:
        """Everything of ``scope`` that a source can send again leaves now, viewed or not; the number of objects."""
        keys = self.caching.evict(scope)
        self._forget(keys)
        return sum(key.endswith(".dcm") for key in keys)

    def _idle(self, seconds: float) -> float:
        return self.now() - max(seconds, self.keep_viewed_seconds, self.keep_arrived_seconds)

    def _leave(self, unused_since: float, *, until: int | None) -> int:
        freed = 0
        while until is None or freed < until:
            found = self.caching.oldest(unused_since=unused_since)
            keys: list[str] = []
            for series in found:
                if until is not None and freed >= until:
                    break
                keys += self.caching.evict(series.key)
                freed += series.size
                log.info("series %s left the cache: %d bytes", series.key.series, series.size)
            if not keys:
                return freed
            self._forget(keys)
        return freed

    def _forget(self, keys: list[str]) -> None:
        if not keys:
            return
        self.signals.announce(CHANGED, "")
        self.sleep(GRACE_SECONDS)
        made = [key for each in keys for key in layout.made_from(each)]
        try:
            self.objects.delete([*keys, *made])
        except BackendFailed:
            log.warning("%d objects of what left the cache are left to the sweep", len(keys))
