"""Whoever waits is woken when it changes, by one thread for all."""

from __future__ import annotations

import asyncio
import threading
import time

from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.retrieve.waking import Wakeups
from dicomweb_server.signals.base import CHANGED, TICKETS
from dicomweb_server.signals.memory import MemorySignals

KEYS = [InstanceKey("1.2", "1.2.3", f"1.2.3.{n}") for n in range(50)]


async def test_only_who_waits_for_it_is_woken_and_at_once() -> None:
    signals = MemorySignals()
    wakeups = Wakeups(signals)
    woken: list[object] = []

    async def wait(scope: InstanceKey | SeriesKey, seconds: float) -> None:
        began = time.monotonic()
        await wakeups.changed(scope, seconds=seconds)
        if time.monotonic() - began < seconds:
            woken.append(scope)

    waiting = [asyncio.create_task(wait(key, 3.0)) for key in KEYS[:2]]
    series = asyncio.create_task(wait(KEYS[0].of_series, 3.0))
    await asyncio.sleep(0.2)
    signals.announce(TICKETS)
    signals.announce(CHANGED, "1.2/1.2.3/1.2.3.1")
    await asyncio.wait_for(asyncio.gather(waiting[1], series), 2.0)
    assert set(woken) == {KEYS[1], KEYS[0].of_series}
    waiting[0].cancel()


async def test_fifty_waiters_need_one_thread_and_the_time_ends_for_all() -> None:
    wakeups = Wakeups(MemorySignals())
    before = threading.active_count()
    waiting = [asyncio.create_task(wakeups.changed(key, seconds=0.3)) for key in KEYS]
    await asyncio.sleep(0.1)
    assert threading.active_count() <= before + 1
    await asyncio.wait_for(asyncio.gather(*waiting), 5.0)
