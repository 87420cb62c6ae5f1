"""Wake-up calls between the threads of one process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from dicomweb_server.signals.base import Signals

KEPT = 256


class MemorySignals:
    """Each waiting thread sees what was announced since it first waited."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._boxes: dict[int, deque[tuple[str, str]]] = {}

    def announce(self, topic: str, key: str = "") -> None:
        with self._condition:
            for box in self._boxes.values():
                box.append((topic, key))
            self._condition.notify_all()

    def wait(self, topics: Sequence[str], *, timeout_seconds: float) -> tuple[str, str] | None:
        deadline = time.monotonic() + timeout_seconds
        with self._condition:
            box = self._boxes.setdefault(threading.get_ident(), deque(maxlen=KEPT))
            while True:
                while box:
                    topic, key = box.popleft()
                    if topic in topics:
                        return topic, key
                left = deadline - time.monotonic()
                if left <= 0 or not self._condition.wait(left):
                    return None

    def close(self) -> None:
        self._boxes.clear()


_: type[Signals] = MemorySignals
