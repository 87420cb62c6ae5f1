"""Work that no ticket asks for, done again and again beside the workers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    name: str
    work: Callable[[], object]
    every_seconds: float

    def run(self, stop: threading.Event) -> None:
        """Begin at once, and again ``every_seconds`` after each end, until ``stop`` is set."""
        while not stop.is_set():
            try:
                self.work()
            except Exception:  # it must run again, whatever happened this time
                log.exception("%s failed", self.name)
            stop.wait(self.every_seconds)
