"""Describe a study at its source and record all of it as announced: no pixels move."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dicomweb_server.catalog.base import AnnouncedSeries, Catalog
from dicomweb_server.model.errors import BackendFailed, Gone, NotFound
from dicomweb_server.model.ids import SeriesKey, StudyKey, is_uid
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.results import DONE, Failed, Result
from dicomweb_server.signals.base import TICKETS, Signals
from dicomweb_server.sources.base import Source

STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"


@dataclass(frozen=True, slots=True)
class Collect:
    catalog: Catalog
    sources: Sequence[Source]
    seconds: float = 10.0
    follow: Callable[[StudyKey, str, Collection[tuple[str, str]]], int] = lambda key, source, listed: 0
    """Told what a source lists of a study by now (series and instance UIDs)."""

    def __call__(self, key: StudyKey) -> str:
        """Announce a study as the first source that knows it describes it; the name of that source.

        Raises Gone when it was deleted here, NotFound when no source knows it, BackendFailed when one that could not
        be asked might.
        """
        unasked: BackendFailed | None = None
        for source in self.sources:
            try:
                self._announce(source, key)
            except Gone:
                raise
            except NotFound:
                self.follow(key, source.name, ())
                continue
            except BackendFailed as error:
                unasked = error
            else:
                return source.name
        raise unasked or NotFound(f"no source knows study {key.study}")

    def _announce(self, source: Source, key: StudyKey) -> None:
        described = source.series(key.study)
        by_study = Key((int(STUDY_UID, 16),), "UI", Match.SINGLE, (key.study,))
        studies = source.search(Query(Level.STUDY, keys=(by_study,), limit=1), seconds=self.seconds)
        attributes = studies[0] if studies else described[0]
        found = [self._series(source, key, each) for each in described if is_uid(first(each, SERIES_UID))]
        self.catalog.pulling.announce(key, source.name, attributes, found)
        listed = {(one.key.series, first(each, INSTANCE_UID)) for one in found for each in one.instances}
        self.follow(key, source.name, listed)

    def _series(self, source: Source, key: StudyKey, described: DicomJson) -> AnnouncedSeries:
        place = SeriesKey(key.study, first(described, SERIES_UID), key.tenant)
        listed = [each for each in source.instances(place) if is_uid(first(each, INSTANCE_UID))]
        return AnnouncedSeries(place, described, listed)


@dataclass(frozen=True, slots=True)
class CacheSeries:
    """The stage for ``Kind.CACHE_SERIES``: list a series anew at its source and queue what is missing."""

    catalog: Catalog
    sources: Mapping[str, Source]
    signals: Signals

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        return [self._one(ticket) for ticket in tickets]

    def _one(self, ticket: Ticket) -> Result:
        if not isinstance(ticket.key, SeriesKey):
            return DONE
        missing = self.catalog.pulling.missing(ticket.key)
        source = self.sources.get(missing[0].source) if missing else None
        if source is None:
            return DONE
        try:
            listed = source.instances(ticket.key)
        except (BackendFailed, NotFound) as error:
            return Failed(error)
        found = AnnouncedSeries(ticket.key, {}, listed)
        try:
            self.catalog.pulling.announce(ticket.key.of_study, source.name, {}, [found])
        except Gone:
            return DONE
        missing = self.catalog.pulling.missing(ticket.key)
        self.catalog.pulling.want([Ticket(Kind.FETCH, each.key, max(ticket.band, Band.SERIES)) for each in missing])
        self.signals.announce(TICKETS)
        return DONE


def first(data_set: DicomJson, tag: str) -> str:
    values = data_set.get(tag, {}).get("Value") or [""]
    return str(values[0])
