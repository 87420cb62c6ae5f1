"""Wakes requests that wait for something to change: one thread listens for all of them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from dicomweb_server.model.ids import Scope
from dicomweb_server.signals.base import CHANGED, Signals

LISTEN_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Waiter:
    prefix: str
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event = field(default_factory=asyncio.Event)


class Wakeups:
    """The thread runs only while somebody waits. Signals are lossy, so whoever waits looks again now and then."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._lock = threading.Lock()
        self._waiters: set[_Waiter] = set()
        self._listening = False

    async def changed(self, scope: Scope, *, seconds: float) -> None:
        """Return when something of ``scope`` changed, or the time is over."""
        waiter = _Waiter(_name(scope), asyncio.get_running_loop())
        with self._lock:
            self._waiters.add(waiter)
            begin, self._listening = not self._listening, True
        if begin:
            threading.Thread(target=self._listen, name="wakeups", daemon=True).start()
        try:
            await asyncio.wait_for(waiter.event.wait(), seconds)
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _listen(self) -> None:
        while True:
            try:
                found = self._signals.wait([CHANGED], timeout_seconds=LISTEN_SECONDS)
                closed = False
            except (OSError, ValueError):
                found, closed = None, True  # whoever waits still looks by itself
            with self._lock:
                if closed or (found is None and not self._waiters):
                    self._listening = False
                    return
                woken = [each for each in self._waiters if found and found[1].startswith(each.prefix)]
            for each in woken:
                each.loop.call_soon_threadsafe(each.event.set)


def _name(scope: Scope) -> str:
    uids = (scope.study, getattr(scope, "series", ""), getattr(scope, "instance", ""))
    return "/".join(uid for uid in uids if uid)
