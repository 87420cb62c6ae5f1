"""Where everything lies, looked up once: versions with their frame index and file, and how far series are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from dicomweb_server import metrics
from dicomweb_server.catalog.base import Catalog, SeriesProgress
from dicomweb_server.dicom.frames import FrameIndex
from dicomweb_server.dicom.source import BytesSource, FileSource, Source
from dicomweb_server.dicom.syntaxes import TransferSyntax, syntax_of
from dicomweb_server.model.errors import Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.records import Version
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.retrieve.arrival import Arrival
from dicomweb_server.retrieve.freshness import Doubling, Freshness, Remembered
from dicomweb_server.retrieve.views import Views

FRAME_STALE_SECONDS = 0.5
"""Stored bytes never change, so a frame may be served from what was true a moment ago."""


_HIT, _MISS = (metrics.LOOKUPS.labels(result) for result in ("hit", "miss"))


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that is here."""

    version: Version
    syntax: TransferSyntax
    index: FrameIndex | None
    path: str | None
    """A file to read from, where the store has one."""

    @property
    def key(self) -> InstanceKey:
        return self.version.key


class Shelf:
    def __init__(
        self,
        catalog: Catalog,
        objects: ObjectStore,
        *,
        arrival: Arrival | None = None,
        views: Views | None = None,
        instances: int = 20_000,
        series: int = 2_000,
    ) -> None:
        self.arrival = arrival
        self._views = views
        self.catalog = catalog
        self.objects = objects
        self._instances: Remembered[Held] = Remembered(instances)
        self._misses = Doubling()
        self._series: Remembered[SeriesProgress] = Remembered(series)
        self._studies: Remembered[tuple[SeriesProgress, ...]] = Remembered(series)
        self._freshness = Freshness(catalog, forget=self._forget, moved=self._moved, clear=self._clear)

    async def instance(self, key: InstanceKey, *, within_seconds: float = FRAME_STALE_SECONDS) -> Held:
        """Raises NotFound, Gone; NotReady, BackendFailed where a source holds it."""
        await self._freshness.check(within_seconds=within_seconds)
        held = self._instances.get(key)
        if held is None and self._misses.is_time(key.of_series):
            await self._look_up_all(key.of_series)
            held = self._instances.get(key)
        if held is None:
            generation = self._instances.generation
            held = self.held(await self._version(key))
            self._instances.put(key, held, generation=generation)
        if self._views is not None:
            self._views.note(key.of_series)
        _HIT.inc()
        return held

    async def instances(self, scope: Scope) -> list[Held]:
        """Every instance of a scope in its stable order (W-01). Raises NotFound, Gone."""
        if isinstance(scope, InstanceKey):
            return [await self.instance(scope, within_seconds=0.0)]
        if self.arrival is not None:
            await self.arrival.whole(scope)
        versions = await asyncio.to_thread(self.catalog.holdings.versions, scope)
        if self._views is not None:
            for series in {version.key.of_series for version in versions}:
                self._views.note(series)
        return [self.held(version) for version in versions]

    async def series(self, key: SeriesKey) -> SeriesProgress:
        """Raises NotFound, Gone."""
        await self._freshness.check()
        found = self._series.get(key)
        if found is None:
            generation = self._series.generation
            found = await asyncio.to_thread(self.catalog.holdings.series_progress, key)
            self._series.put(key, found, generation=generation)
        if self._views is not None:
            self._views.note(key)
        return found

    async def study(self, key: StudyKey) -> tuple[SeriesProgress, ...]:
        """Raises NotFound, Gone."""
        await self._freshness.check()
        found = self._studies.get(key)
        if found is None:
            generation = self._studies.generation
            found = tuple(await asyncio.to_thread(self.catalog.holdings.series_of, key))
            self._studies.put(key, found, generation=generation)
        return found

    async def _look_up_all(self, series: SeriesKey) -> None:
        """Remember what is here of a series: it costs as much as looking up a few of its instances one by one."""
        generation = self._instances.generation

        def look_up() -> list[Held]:
            return [self.held(version) for version in self.catalog.holdings.versions(series)]

        with suppress(NotFound):
            for held in await asyncio.to_thread(look_up):
                self._instances.put(held.key, held, generation=generation)

    async def _version(self, key: InstanceKey) -> Version:
        """Waits for one that is announced. Raises NotFound, Gone, NotReady."""
        try:
            return await asyncio.to_thread(self.catalog.holdings.version, key)
        except Gone:
            raise
        except NotFound:
            if self.arrival is None:
                raise
        begun = time.perf_counter()
        await self.arrival.instance(key)
        metrics.ARRIVAL.observe(time.perf_counter() - begun)
        _MISS.inc()
        return await asyncio.to_thread(self.catalog.holdings.version, key)

    def held(self, version: Version) -> Held:
        index = FrameIndex.decode(version.frames) if version.frames is not None else None
        return Held(version, syntax_of(version.transfer_syntax), index, self.objects.local(version.object_key))

    @asynccontextmanager
    async def source(self, held: Held) -> AsyncIterator[Source]:
        """The whole file, to be read in places in a thread. Raises NotFound."""
        if held.path is None:
            yield BytesSource(await self.objects.read(held.version.object_key))
            return
        try:
            source = await asyncio.to_thread(FileSource, held.path)
        except FileNotFoundError:
            raise NotFound(f"instance {held.key.instance} is no longer here") from None
        with source:
            yield source

    def _forget(self, scope: Scope) -> None:
        self._instances.forget(scope)

    def _moved(self) -> None:
        """How far a series is moves without any change of what is stored."""
        self._series.clear()
        self._studies.clear()

    def _clear(self) -> None:
        self._instances.clear()
