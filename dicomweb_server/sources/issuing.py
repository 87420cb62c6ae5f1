"""A source whose PatientIDs name no issuer, told apart from others' by the one the site gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source

PATIENT_ID, ISSUER = "00100020", "00100021"
_PATH = (0x00100021,)


@dataclass(frozen=True, slots=True)
class Issuing:
    inner: Source
    issuer: str

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def kind(self) -> Kind:
        return self.inner.kind

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        """The source knows nothing of the issuer: a key of it is answered here."""
        asked = [key for key in query.keys if key.path == _PATH and key.match is not Match.UNIVERSAL]
        if not all(fnmatchcase(self.issuer, value) for key in asked for value in key.values[:1]):
            return []
        rest = tuple(key for key in query.keys if key.path != _PATH)
        return self._named(self.inner.search(replace(query, keys=rest), seconds=seconds))

    def series(self, study: str) -> list[DicomJson]:
        return self._named(self.inner.series(study))

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        return self._named(self.inner.instances(key))

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        found = self.inner.metadata(key)
        return None if found is None else self._named(found)

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        return self.inner.fetch(keys, stage)

    def check(self) -> Iterator[Checked]:
        return self.inner.check()

    def close(self) -> None:
        self.inner.close()

    def _named(self, found: Iterable[DicomJson]) -> list[DicomJson]:
        mine = {ISSUER: {"vr": "LO", "Value": [self.issuer]}}
        return [
            {**each, **mine} if PATIENT_ID in each and not each.get(ISSUER, {}).get("Value") else each for each in found
        ]


_: type[Source] = Issuing
