"""Which series somebody looks at: noted in memory with every request, written down now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from dicomweb_server.catalog.base import Caching
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import SeriesKey

log = logging.getLogger(__name__)


class Views:
    def __init__(
        self, caching: Caching, *, every_seconds: float = 20.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._caching = caching
        self._every_seconds = every_seconds
        self._now = now
        self._seen: set[SeriesKey] = set()
        self._written = now()
        self._writing: asyncio.Task[None] | None = None

    def note(self, key: SeriesKey) -> None:
        """Costs nothing worth naming; to be called in the event loop."""
        self._seen.add(key)
        now = self._now()
        if now - self._written >= self._every_seconds and (self._writing is None or self._writing.done()):
            self._written = now
            self._writing = asyncio.ensure_future(self.write())

    async def write(self) -> None:
        seen, self._seen = self._seen, set()
        try:
            await asyncio.to_thread(self._caching.viewed, list(seen))
        except BackendFailed as error:
            log.warning("who viewed %d series was not written down: %s", len(seen), error)
