"""Whether instances come in so fast that what nobody waits for had better wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Arrivals:
    """Looks at a number that grows with every instance stored, whoever stored it; may be asked by several threads."""

    stored: Callable[[], int]
    per_second: float = 10.0
    """From here on they come fast."""
    look_seconds: float = 0.2
    """How far apart two looks are at least."""
    stale_seconds: float = 0.5
    """A look that long ago says nothing about now: whatever came since may be the first of many."""
    longest_seconds: float = 30.0
    """A stream that takes longer than this is no burst: what waits goes on beside it."""
    now: Callable[[], float] = time.monotonic
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _looked: tuple[float, int] | None = None
    _since: float | None = None

    def in_burst(self) -> bool:
        with self._looking:
            now = self.now()
            if self._looked is None or now - self._looked[0] >= self.look_seconds:
                self._look(now)
            return self._since is not None and now - self._since < self.longest_seconds

    def _look(self, now: float) -> None:
        count = self.stored()
        looked, before = self._looked or (now, count)
        least = 1.0 if now - looked > self.stale_seconds else self.per_second * (now - looked)
        fast = self._looked is not None and count - before >= least
        self._looked = now, count
        if not fast:
            self._since = None
        elif self._since is None:
            self._since = now
