"""Calls that wait for a process, and the threads that see to them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dicomweb_server.model.errors import BackendFailed, OutOfResources
from dicomweb_server.pool.child import Answer
from dicomweb_server.pool.fair import Fair
from dicomweb_server.pool.worker import Worker


@dataclass(eq=False, slots=True)
class Call:
    """One call on its way through the pool."""

    work: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    caller: str
    loop: asyncio.AbstractEventLoop | None = None
    """Where the answer is awaited; None where a thread waits for it."""
    answer: Future[Answer] = field(default_factory=Future)
    worker: Worker | None = None
    """The process that is at it."""
    entered: float = field(default_factory=time.monotonic)
    """Since when it waits."""

    @property
    def about(self) -> str | None:
        """What the call works on: its first argument, where that is a name."""
        given = self.work[1]
        return given[0] if given and isinstance(given[0], str) else None

    @property
    def gist(self) -> tuple[str, str]:
        """What is done and to what; keyword arguments only say what becomes of it."""
        work, given, _ = self.work
        return work.__qualname__, repr(given)


class Lane:
    """At most ``width`` calls are attended at once, the others wait their turn, for ``wait_seconds`` or little more.

    ``begin`` is called with each when its turn has come, by whoever made room for it, and must not take long: the call
    is attended ``in_thread``, or elsewhere until somebody says ``leave``. ``is_moot`` is asked before, and true where
    the call was answered by then, or went elsewhere.
    """

    def __init__(
        self,
        name: str,
        width: int,
        begin: Callable[[Call], None],
        is_moot: Callable[[Call], bool],
        *,
        wait_seconds: float,
    ) -> None:
        self._width = width
        self._begin = begin
        self._is_moot = is_moot
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._waiting: Fair[Call] = Fair()
        self._attended = 0
        self._load = 0
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=f"pool-{name}")

    @property
    def crowded(self) -> bool:
        """Whether somebody waits."""
        return self._load > self._width

    def put(self, call: Call) -> None:
        with self._lock:
            self._load += 1
            free = self._attended < self._width
            if free:
                self._attended += 1
            else:
                self._waiting.put(call.caller, call)
        if free:
            self._begin_from(call)

    def put_if_free(self, call: Call) -> bool:
        """Take the call if it is attended at once."""
        with self._lock:
            free = self._attended < self._width
            if free:
                self._load += 1
                self._attended += 1
        if free:
            self._begin_from(call)
        return free

    def in_thread(self, attend: Callable[[Call], None], call: Call) -> None:
        """Have a call whose turn has come attended until it is answered or has gone elsewhere, then leave."""

        def run() -> None:
            try:
                attend(call)
            except Exception as error:  # whoever waits for the answer must learn of every failure
                call.answer.set_exception(error)
            finally:
                self.leave()

        try:
            self._threads.submit(run)
        except RuntimeError:
            self.refuse(call, closed())

    def refuse(self, call: Call, error: Exception) -> None:
        call.answer.set_exception(error)
        self.leave()

    def leave(self) -> None:
        """A call whose turn had come is attended no longer: it is the turn of the next."""
        self._begin_from(self._following())

    def close(self) -> None:
        """Return when every call that is attended by a thread is answered, and every one that waits refused."""
        with suppress(LookupError):
            while True:
                with self._lock:
                    call = self._waiting.take()
                if call.answer.running() or call.answer.set_running_or_notify_cancel():
                    call.answer.set_exception(closed())
        self._threads.shutdown(wait=True)

    def _begin_from(self, call: Call | None) -> None:
        """Begin with this call, or the first after it that is still to be answered."""
        while call is not None:
            if self._is_due(call):
                self._begin(call)
                break
            call = self._following()

    def _following(self) -> Call | None:
        """The one that takes the place of a call that leaves."""
        with self._lock:
            self._load -= 1
            try:
                return self._waiting.take()
            except LookupError:
                self._attended -= 1
        return None

    def _is_due(self, call: Call) -> bool:
        if not call.answer.running() and not call.answer.set_running_or_notify_cancel():
            return False
        if call.worker is None and time.monotonic() - call.entered > self._wait_seconds:
            call.answer.set_exception(OutOfResources("too many pictures are being made"))
            return False
        return call.worker is not None or not self._is_moot(call)


def closed() -> BackendFailed:
    return BackendFailed("the pool is closed", passing=True)
