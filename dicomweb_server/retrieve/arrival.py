"""A request for what a source holds and is not here yet: ask for it, wait a bounded time, or say when to come again.

Whatever is asked for jumps the queue, the rest of its series follows, then the other series of the study. However many
wait for one instance, it is asked for once in each process, and fetched once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import orjson

from dicomweb_server.catalog.base import Catalog, Missing
from dicomweb_server.model.errors import BackendFailed, Gone, NotFound, NotReady
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.manifest import MANIFESTS
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Key as QueryKey
from dicomweb_server.model.query import Level, Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.rules import Load, LoadRule, SeriesTraits, load_of
from dicomweb_server.model.states import State
from dicomweb_server.retrieve.foreign import as_ours, by_number
from dicomweb_server.retrieve.waking import Wakeups
from dicomweb_server.signals.base import TICKETS, Signals
from dicomweb_server.sources.base import Kind as SourceKind
from dicomweb_server.sources.base import Source

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0
"""Between two looks where no signal comes."""
NEXT_LOOK_SECONDS = 0.05
"""For a whole series is looked no more often than this, however much arrives."""
UNKNOWN_SECONDS = 10.0
"""For so long a study that no source knows is not asked for again."""
NEIGHBOURS_SECONDS = 5.0
"""For so long the neighbours of a wanted instance are not raised again."""
RETRY_AFTER_SECONDS = 2.0
DESCRIBED_SERIES = 200
KNOWN_STUDIES = 10_000
"""Studies of which this process remembers when it last compared them with their source."""

STUDY_UID, PATIENT_ID, ISSUER = 0x0020000D, 0x00100020, 0x00100021

ARRIVING = frozenset({State.ANNOUNCED, State.QUEUED, State.FETCHING})


class Arrival:
    def __init__(
        self,
        catalog: Catalog,
        signals: Signals,
        sources: Mapping[str, Source],
        collect: Callable[[StudyKey], str],
        *,
        wait_seconds: float = 20.0,
        series_wait_seconds: float = 60.0,
        refresh_seconds: float = 300.0,
        rules: Sequence[LoadRule] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._signals = signals
        self._wakeups = Wakeups(signals)
        self._sources = sources
        self._collect = collect
        self._wait_seconds = wait_seconds
        self._series_wait_seconds = series_wait_seconds
        self._refresh_seconds = refresh_seconds
        self._rules = rules
        self._now = now
        self._tasks: dict[tuple[str, Scope], asyncio.Task[Any]] = {}
        self._looked: OrderedDict[StudyKey, float] = OrderedDict()
        self._unknown: OrderedDict[StudyKey, float] = OrderedDict()
        self._raised: OrderedDict[Scope, float] = OrderedDict()
        self._glimpsed: OrderedDict[SeriesKey, InstanceKey] = OrderedDict()
        self._queues: WeakValueDictionary[StudyKey, asyncio.Lock] = WeakValueDictionary()
        self._described: OrderedDict[SeriesKey, list[bytes]] = OrderedDict()

    async def open(self, key: StudyKey) -> None:
        """A study nobody told us of is announced, if a source knows it. Raises NotFound, Gone, BackendFailed."""
        await self._once("open", key, lambda: self._open(key))

    async def instance(self, key: InstanceKey) -> None:
        """Return when nothing of the instance is on its way any more: it is here, or unknown.

        Raises NotFound, Gone, NotReady, BackendFailed when it cannot be had.
        """
        await self._once("instance", key, lambda: self._bring(key))

    async def whole(self, scope: Scope) -> None:
        """Return when everything announced of ``scope`` is here or failed by name. Raises NotFound, Gone, NotReady."""
        await self._once("whole", scope, lambda: self._whole(scope))

    async def described(self, key: SeriesKey) -> list[bytes] | None:
        """The metadata of an announced series by its source's word; None from a source that cannot tell."""
        found = self._described.get(key)
        return found or await self._once("described", key, lambda: self._describe(key))

    async def _once(self, what: str, key: Scope, work: Callable[[], Awaitable[T]]) -> T:
        task = self._tasks.get((what, key))
        if task is None:
            task = asyncio.ensure_future(work())
            self._tasks[what, key] = task
            task.add_done_callback(lambda _: self._tasks.pop((what, key), None))
        return await asyncio.shield(task)

    async def _open(self, key: StudyKey) -> None:
        try:
            await asyncio.to_thread(self._catalog.holdings.series_of, key)
        except Gone:
            raise
        except NotFound:
            pass
        else:
            if self._refresh_seconds and self._looked.get(key, -math.inf) + self._refresh_seconds < self._now():
                _put(self._looked, key, self._now(), most=KNOWN_STUDIES)
                self._tasks["refresh", key] = task = asyncio.ensure_future(self._refresh(key))
                task.add_done_callback(lambda _: self._tasks.pop(("refresh", key), None))
            return
        if self._unknown.get(key, 0.0) > self._now():
            raise NotFound(f"no study {key.study}")
        try:
            await asyncio.to_thread(self._collect, key)
        except NotFound:
            _put(self._unknown, key, self._now() + UNKNOWN_SECONDS)
            raise
        _put(self._looked, key, self._now(), most=KNOWN_STUDIES)

    async def _refresh(self, key: StudyKey) -> None:
        """Announce what its source holds of a study by now. Whoever opened it meanwhile sees what was known."""
        try:
            if await asyncio.to_thread(self._catalog.pulling.announced_by, key) not in (None, MANIFESTS):
                await asyncio.to_thread(self._collect, key)
        except (BackendFailed, NotFound) as error:
            log.warning("study %s could not be compared with its source: %s", key.study, error)

    async def _bring(self, key: InstanceKey) -> None:
        await self.open(key.of_study)
        missing = await asyncio.to_thread(self._catalog.pulling.missing, key)
        if not missing:
            return  # it came meanwhile, or there is no such instance: the caller looks again
        if not missing[0].source:
            raise NotFound(f"no instance {key.instance}")
        if missing[0].state in ARRIVING:
            await asyncio.to_thread(self._want, [Ticket(Kind.FETCH, key, Band.WAITING)])
            await self._raise_neighbours(key)
        left = await self._wait(key, self._wait_seconds)
        if left:
            raise BackendFailed(f"instance {key.instance} could not be fetched: {left[0].reason}")

    async def _whole(self, scope: Scope) -> None:
        study = StudyKey(scope.study, scope.tenant)
        await self.open(study)
        async with self._in_turn(study):
            missing = await asyncio.to_thread(self._catalog.pulling.missing, scope)
            tickets = [
                Ticket(Kind.FETCH, each.key, Band.SERIES) for each in missing if each.state in ARRIVING and each.source
            ]
            await asyncio.to_thread(self._want, tickets)
        if tickets:
            await self._wait(scope, self._series_wait_seconds)

    async def _wait(self, scope: Scope, seconds: float) -> list[Missing]:
        """What is still missing when nothing of ``scope`` is on its way any more. Raises NotReady."""
        until = self._now() + seconds
        pause = FIRST_LOOK_SECONDS
        while True:
            missing = await asyncio.to_thread(self._catalog.pulling.missing, scope)
            if not any(each.state in ARRIVING and each.source for each in missing):
                return missing
            if self._now() >= until:
                raise NotReady("what was asked for", retry_after=RETRY_AFTER_SECONDS)
            if isinstance(scope, InstanceKey) and missing[0].state is State.ANNOUNCED:
                # It came and left the cache again between two looks.
                await asyncio.to_thread(self._want, [Ticket(Kind.FETCH, scope, Band.WAITING)])
            await self._wakeups.changed(scope, seconds=pause)
            if not isinstance(scope, InstanceKey):
                await asyncio.sleep(NEXT_LOOK_SECONDS)
            pause = min(pause * 1.3, LONGEST_LOOK_SECONDS)

    def _in_turn(self, study: StudyKey) -> asyncio.Lock:
        """Held while tickets of a study are put: what was asked for first is fetched first."""
        return self._queues.setdefault(study, asyncio.Lock())

    async def _raise_neighbours(self, key: InstanceKey) -> None:
        """A series of which one image is asked for is glimpsed at, as for a thumbnail; at a second it is looked at."""
        if self._glimpsed.setdefault(key.of_series, key) == key:
            _put(self._glimpsed, key.of_series, key, most=KNOWN_STUDIES)
            if self._raised.get(key.of_study, 0.0) <= self._now():
                _put(self._raised, key.of_study, self._now() + NEIGHBOURS_SECONDS)
                await self._load_study(key)
            return
        if self._raised.get(key.of_series, 0.0) > self._now():
            return
        _put(self._raised, key.of_series, self._now() + NEIGHBOURS_SECONDS)
        missing = await asyncio.to_thread(self._catalog.pulling.missing, key.of_series)
        same = [each.key for each in missing if each.state in ARRIVING and each.source]
        tickets = [Ticket(Kind.FETCH, each, Band.SERIES) for each in _nearest_first(same, key)]
        await asyncio.to_thread(self._want, tickets)

    async def _load_study(self, key: InstanceKey) -> None:
        """All of its series by the site's rules, the one that was asked for before the others."""
        async with self._in_turn(key.of_study):
            missing = await asyncio.to_thread(self._catalog.pulling.missing, key.of_study)
            arriving = dict.fromkeys(each.key.of_series for each in missing if each.state in ARRIVING and each.source)
            series = sorted(arriving, key=lambda each: each != key.of_series)
            await asyncio.to_thread(lambda: self._want(self._loads(key.of_study, series)))

    def _loads(self, study: StudyKey, series: Sequence[SeriesKey]) -> list[Ticket]:
        """By the site's rules: behind the series looked at, behind everything, or not before somebody asks."""
        bands = {Load.FIRST: Band.SERIES, Load.NORMAL: Band.STUDY}
        if not self._rules:
            return [Ticket(Kind.CACHE_SERIES, each, Band.STUDY) for each in series]
        wanted = Query(Level.SERIES, study.study, tenant=study.tenant, limit=DESCRIBED_SERIES)
        found = self._catalog.search.find(wanted)
        position = self._position(study) if any(rule.newest for rule in self._rules) else 1
        traits = dict(_traits(orjson.loads(match), position) for match in found.matches)
        loads = [(each, load_of(traits.get(each.series, SeriesTraits()), self._rules)) for each in series]
        return [Ticket(Kind.CACHE_SERIES, each, bands[load]) for each, load in loads if load in bands]

    def _position(self, key: StudyKey) -> int:
        """Of the study among those known of its patient, the newest first; 1 where it names no patient."""
        of_study = QueryKey((STUDY_UID,), "UI", Match.SINGLE, (key.study,))
        page = self._catalog.search.find(Query(Level.STUDY, keys=(of_study,), tenant=key.tenant, limit=1))
        known = orjson.loads(page.matches[0]) if page.matches else {}
        same = [
            QueryKey((tag,), "LO", Match.SINGLE, (text,)) for tag in (PATIENT_ID, ISSUER) if (text := _text(known, tag))
        ]
        if not _text(known, PATIENT_ID):
            return 1
        page = self._catalog.search.find(Query(Level.STUDY, keys=tuple(same), tenant=key.tenant, limit=KNOWN_STUDIES))
        studies = [_text(orjson.loads(match), STUDY_UID) for match in page.matches]
        return studies.index(key.study) + 1 if key.study in studies else len(studies) + 1

    async def _describe(self, key: SeriesKey) -> list[bytes] | None:
        async with self._in_turn(key.of_study):
            missing = await asyncio.to_thread(self._catalog.pulling.missing, key)
            source = self._sources.get(missing[0].source) if missing else None
            if source is not None and source.kind is not SourceKind.PACS:
                await asyncio.to_thread(self._want, [Ticket(Kind.CACHE_SERIES, key, Band.STUDY)])
        described = await asyncio.to_thread(source.metadata, key) if source is not None else None
        if not described:
            return None
        rows = [orjson.dumps(as_ours(each, key)) for each in sorted(described, key=by_number)]
        _put(self._described, key, rows)
        return rows

    def _want(self, tickets: Sequence[Ticket]) -> None:
        if not tickets:
            return
        self._catalog.pulling.want(tickets)
        self._signals.announce(TICKETS)


def _text(described: DicomJson, tag: int) -> str:
    return str((described.get(f"{tag:08X}", {}).get("Value") or [""])[0])


def _traits(described: DicomJson, position: int) -> tuple[str, SeriesTraits]:
    instances = int(_text(described, 0x00201209) or 0)
    traits = SeriesTraits(_text(described, 0x00080060), _text(described, 0x0008103E), instances, position)
    return _text(described, 0x0020000E), traits


def _put(kept: OrderedDict[Any, Any], key: Any, value: Any, *, most: int = DESCRIBED_SERIES) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def _nearest_first(keys: Sequence[InstanceKey], wanted: InstanceKey) -> list[InstanceKey]:
    place = keys.index(wanted) if wanted in keys else 0
    return sorted((key for key in keys if key != wanted), key=lambda key: abs(keys.index(key) - place))
