"""Work that is done whenever it is signalled, and now and then in case a signal was lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from dicomweb_server.signals.base import Signals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Awaited:
    name: str
    work: Callable[[], object]
    signals: Signals
    topic: str
    every_seconds: float = 1.0

    def run(self, stop: threading.Event) -> None:
        """Begin at once, and again at each signal, until ``stop`` is set; that is seen within ``every_seconds``."""
        while not stop.is_set():
            try:
                self.work()
            except Exception:  # it must run again, whatever happened this time
                log.exception("%s failed", self.name)
            self.signals.wait([self.topic], timeout_seconds=self.every_seconds)
