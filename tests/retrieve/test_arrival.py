"""Who waits for what a source holds gets it, whatever becomes of it meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.retrieve.arrival import Arrival
from dicomweb_server.signals.memory import MemorySignals
from tests.catalog.making import FETCHED, derived, new
from tests.journeys.server import wait_for

MADE = derived("1.2.1", "1.2.1.1", "1.2.1.1.1")
ONE = MADE.key


async def test_what_is_no_longer_on_its_way_is_asked_for_again(tmp_path: Path) -> None:
    """As when it came, and left the cache again before whoever waited for it looked."""
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite")

    async def claimed() -> None:
        await asyncio.to_thread(wait_for, lambda: bool(catalog.pulling.claim([ONE])), "somebody to want it", seconds=10)

    found = AnnouncedSeries(ONE.of_series, MADE.metadata, [MADE.metadata])
    catalog.pulling.announce(ONE.of_study, "pacs", MADE.metadata, [found])
    waiting = asyncio.ensure_future(Arrival(catalog, MemorySignals(), {}, lambda key: "pacs").instance(ONE))
    for _ in range(3):
        await claimed()
        catalog.pulling.failed(ONE, reason="", final=False, attempts=99)
        assert catalog.mending.cancel(ONE) == 1
    await claimed()
    assert not waiting.done()
    catalog.holdings.store([new(MADE, origin=FETCHED)])
    await asyncio.wait_for(waiting, 10.0)
    catalog.close()
