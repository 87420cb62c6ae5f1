"""Calls that broke their process lately, so that the same call is answered at once and breaks no other."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dicomweb_server.pool.child import Answer
from dicomweb_server.pool.lane import Call


class Broken:
    """At most ``most`` calls on things that have a name, each for ``seconds``; the oldest is forgotten first."""

    def __init__(self, *, seconds: float, most: int = 1024, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()

    def add(self, call: Call, answer: Answer) -> None:
        if call.about is None:
            return
        with self._lock:
            self._found[call.gist] = self._now() + self._seconds, answer
            self._found.move_to_end(call.gist)
            if len(self._found) > self._most:
                self._found.popitem(last=False)

    def answer(self, call: Call) -> Answer | None:
        """What came of the same call, if that is remembered."""
        if not self._found or call.about is None:
            return None
        with self._lock:
            until, answer = self._found.get(call.gist, (0.0, None))
        return answer if self._now() < until else None
