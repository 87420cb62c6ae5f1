"""Calls that wait for a process, and the threads that see to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.pool.child import Answer
from dicomweb_server.pool.fair import Fair
from dicomweb_server.pool.worker import Worker


@dataclass(eq=False, slots=True)
class Call:
    """One call on its way through the pool."""

    work: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    caller: str
    answer: Future[Answer] = field(default_factory=Future)
    worker: Worker | None = None
    """The process that is at it."""
    entered: float = field(default_factory=time.monotonic)

    @property
    def about(self) -> str | None:
        """What the call works on: its first argument, where that is a name."""
        given = self.work[1]
        return given[0] if given and isinstance(given[0], str) else None


class Lane:
    """At most ``width`` calls are attended at once, the others wait their turn, for ``wait_seconds`` or little more."""

    def __init__(self, name: str, width: int, attend: Callable[[Call], None], *, wait_seconds: float) -> None:
        self._width = width
        self._attend = attend
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._waiting: Fair[Call] = Fair()
        self._load = 0
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=f"pool-{name}")

    @property
    def crowded(self) -> bool:
        """Whether somebody waits."""
        return self._load > self._width

    def put(self, call: Call) -> None:
        with self._lock:
            self._put(call)

    def put_if_free(self, call: Call) -> bool:
        """Take the call if it is attended at once."""
        with self._lock:
            free = self._load < self._width
            if free:
                self._put(call)
        return free

    def close(self) -> None:
        """Return when every call is answered."""
        self._threads.shutdown(wait=True)

    def _put(self, call: Call) -> None:
        self._load += 1
        self._waiting.put(call.caller, call)
        self._threads.submit(self._next)

    def _next(self) -> None:
        with self._lock:
            call = self._waiting.take()
        try:
            if (
                not call.answer.cancelled()
                and call.worker is None
                and time.monotonic() - call.entered > self._wait_seconds
            ):
                raise OutOfResources("too many pictures are being made")
            self._attend(call)
        except Exception as error:  # whoever waits for the answer must learn of every failure
            call.answer.set_exception(error)
        finally:
            with self._lock:
                self._load -= 1
