"""What this process remembers of the catalog, and how it learns that it is no longer so."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey

V = TypeVar("V")

CHANGES_AT_ONCE = 1000


class Remembered(Generic[V]):
    """The last ``most`` things looked up."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[Scope, V] = OrderedDict()
        self.generation = 0
        """Moves when anything is forgotten."""

    def get(self, key: Scope) -> V | None:
        return self._entries.get(key)

    def put(self, key: Scope, value: V, *, generation: int) -> None:
        """Keep what was looked up since ``generation``, unless it may have been forgotten meanwhile."""
        if generation != self.generation:
            return
        self._entries[key] = value
        while len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def forget(self, scope: Scope) -> None:
        """Drop what lies within ``scope``, and what ``scope`` lies within."""
        self.generation += 1
        if isinstance(scope, InstanceKey):
            each: Scope
            for each in (scope, scope.of_series, scope.of_study):
                self._entries.pop(each, None)
            return
        for key in [key for key in self._entries if _touches(scope, key)]:
            del self._entries[key]

    def clear(self) -> None:
        self.generation += 1
        self._entries.clear()


class Doubling:
    """Says of a key that comes again and again the 2nd, 4th, 8th, … time that it is time to do something about it."""

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._counts: OrderedDict[Scope, int] = OrderedDict()

    def is_time(self, key: Scope) -> bool:
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count > 1 and count & (count - 1) == 0


def _touches(scope: SeriesKey | StudyKey, key: Scope) -> bool:
    if (scope.tenant, scope.study) != (key.tenant, key.study):
        return False
    return isinstance(scope, StudyKey) or isinstance(key, StudyKey) or scope.series == key.series


class Freshness:
    """Asks the catalog what changed: ``forget`` is called for content that changed, ``moved`` for any commit.

    The question costs a few microseconds (``Changes.stamp``), so it is asked in the loop; reading what changed is not.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        forget: Callable[[Scope], None],
        moved: Callable[[], None],
        clear: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changes = catalog.changes
        self._forget = forget
        self._moved = moved
        self._clear = clear
        self._now = now
        self._stamp: int | None = None
        self._sequence = 0
        self._checked = 0.0
        self._lock = asyncio.Lock()

    async def check(self, *, within_seconds: float = 0.0) -> None:
        """On return nothing is remembered that was untrue ``within_seconds`` ago."""
        now = self._now()
        if self._stamp is not None and now - self._checked < within_seconds:
            return
        stamp = self._changes.stamp()
        if stamp != self._stamp:
            async with self._lock:
                await self._catch_up(stamp)
        self._checked = now

    async def _catch_up(self, stamp: int) -> None:
        if self._stamp is None:
            self._sequence = await asyncio.to_thread(self._changes.last)
            self._clear()
        else:
            await self._read_changes()
        self._moved()
        self._stamp = stamp

    async def _read_changes(self) -> None:
        while True:
            found = await asyncio.to_thread(self._changes.since, self._sequence, limit=CHANGES_AT_ONCE)
            for sequence, scope in found:
                self._forget(scope)
                self._sequence = sequence
            if len(found) < CHANGES_AT_ONCE:
                return
