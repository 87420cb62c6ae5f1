"""What is here and what the sources know, as one answer.

Each source has a time budget; one that is down or slow shortens the answer with a warning and never fails it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import orjson

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.errors import DicomwebError, NotFound
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey, is_uid
from dicomweb_server.model.query import Level, Match, Page, Query
from dicomweb_server.model.records import BASE, DicomJson
from dicomweb_server.retrieve.arrival import Arrival
from dicomweb_server.sources.base import Kind, Source

UNIQUE = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}
STUDY_UID, SERIES_UID, INSTANCE_UID = UNIQUE.values()
AVAILABILITY = (0x00080056,)


@dataclass(frozen=True, slots=True)
class Searched:
    """A source that is asked whenever somebody searches."""

    source: Source
    seconds: float


@dataclass(frozen=True, slots=True)
class Search:
    catalog: Catalog
    arrival: Arrival | None = None
    sources: Sequence[Searched] = ()
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "search"))

    async def find(self, query: Query) -> Page:
        if query.study is not None and self.arrival is not None:
            warnings = await self._opened(StudyKey(query.study, query.tenant))
            page = await asyncio.to_thread(self.catalog.search.find, query)
            return replace(page, warnings=(*page.warnings, *warnings))
        asked = [each for each in self.sources if query.level is Level.STUDY or each.source.kind is Kind.DICOMWEB]
        if not asked:
            return await asyncio.to_thread(self.catalog.search.find, query)
        return await self._merged(query, asked)

    async def _opened(self, key: StudyKey) -> tuple[str, ...]:
        assert self.arrival is not None
        try:
            await self.arrival.open(key)
        except NotFound:
            return ()
        except DicomwebError as error:
            return (str(error),)
        return ()

    async def _merged(self, query: Query, sources: Sequence[Searched]) -> Page:
        """A PACS is asked for studies only: PS3.4 C.4.1 wants the study named for whatever lies below."""
        unique = UNIQUE[query.level]
        everything = replace(query, offset=0, limit=query.offset + query.limit)
        asked = sources if _takes_nearline(query) else ()
        asking = asyncio.gather(*(self._ask(each, _without_availability(everything)) for each in asked))
        local = await asyncio.to_thread(self.catalog.search.find, everything)
        found = {_text(one, unique): (one, match) for match in local.matches if (one := orjson.loads(match))}
        answers = await asking
        warnings = [*local.warnings, *(each for each in answers if isinstance(each, str))]
        told = [one for answer in answers if not isinstance(answer, str) for one in answer]
        for one in await self._not_deleted(query, [one for one in told if _text(one, unique) not in found]):
            shown = _shown(one, query.level)
            found.setdefault(_text(one, unique), (shown, orjson.dumps(shown)))
        ordered = [match for _, match in sorted(found.values(), key=lambda each: _order(query.level, each[0]))]
        start, end = query.offset, query.offset + query.limit
        remaining = local.remaining + max(0, len(ordered) - end)
        return Page(tuple(ordered[start:end]), remaining, tuple(warnings))

    async def _not_deleted(self, query: Query, told: Sequence[DicomJson]) -> list[DicomJson]:
        """What sources told and was not deleted here (E-02), where they named it as they have to."""
        named = [(scope, one) for one in told if (scope := _scope(one, query)) is not None]
        deleted = await asyncio.to_thread(self.catalog.pulling.deleted, [scope for scope, _ in named])
        return [one for scope, one in named if scope not in deleted]

    async def _ask(self, searched: Searched, query: Query) -> list[DicomJson] | str:
        """What a source answers within its time, or what to tell of it."""
        loop = asyncio.get_running_loop()
        source, seconds = searched.source, searched.seconds
        asked = loop.run_in_executor(self.threads, lambda: source.search(query, seconds=seconds))
        try:
            return await asyncio.wait_for(asked, seconds)
        except TimeoutError:
            return f"source {source.name} did not answer in time; its studies are missing here"
        except DicomwebError:
            return f"source {source.name} could not be asked; its studies are missing here"


def _takes_nearline(query: Query) -> bool:
    """Whether what only a source holds can match."""
    wanted = [key for key in query.keys if key.path == AVAILABILITY and key.match is not Match.UNIVERSAL]
    return all(fnmatchcase("NEARLINE", value) for key in wanted for value in key.values[:1])


def _without_availability(query: Query) -> Query:
    """What a source says of its own availability is not ours."""
    return replace(query, keys=tuple(key for key in query.keys if key.path != AVAILABILITY))


def _scope(data_set: DicomJson, query: Query) -> Scope | None:
    uids = [_text(data_set, tag) for tag in _uids_down_to(query.level)]
    if not all(is_uid(uid) for uid in uids):
        return None
    match query.level:
        case Level.STUDY:
            return StudyKey(uids[0], query.tenant)
        case Level.SERIES:
            return SeriesKey(uids[0], uids[1], query.tenant)
        case Level.INSTANCE:
            return InstanceKey(uids[0], uids[1], uids[2], query.tenant)


def _uids_down_to(level: Level) -> Sequence[str]:
    levels = list(UNIQUE)
    return [UNIQUE[each] for each in levels[: levels.index(level) + 1]]


def _shown(data_set: DicomJson, level: Level) -> DicomJson:
    """What a source told of something that is not here, as search shows it."""
    names = ("studies", "series", "instances")
    path = "/".join(f"{name}/{_text(data_set, tag)}" for name, tag in zip(names, _uids_down_to(level), strict=False))
    url = f"{BASE.decode()}/{path}"
    ours = {
        "00080056": {"vr": "CS", "Value": ["NEARLINE"]},
        "00081190": {"vr": "UR", "Value": [url]},
    }
    found = {**data_set, **ours}
    return {tag: found[tag] for tag in sorted(found) if "BulkDataURI" not in found[tag]}


def _order(level: Level, data_set: DicomJson) -> tuple[object, ...]:
    """Q-42, as the catalog has it: by the study's date and time descending, missing dates last; by number below."""
    moment = f"{_text(data_set, '00080020'):<8}{_text(data_set, '00080030')}"
    order: list[object] = ["".join(chr(0x10FFFF - ord(c)) for c in moment), _text(data_set, STUDY_UID)]
    if level is not Level.STUDY:
        order += [_number(data_set, "00200011"), _text(data_set, SERIES_UID)]
    if level is Level.INSTANCE:
        order += [_number(data_set, "00200013"), _text(data_set, INSTANCE_UID)]
    return tuple(order)


def _number(data_set: DicomJson, tag: str) -> float:
    try:
        return float(_text(data_set, tag) or "inf")
    except ValueError:
        return float("inf")


def _text(data_set: DicomJson, tag: str) -> str:
    values = data_set.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")
