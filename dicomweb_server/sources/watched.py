"""A source whose every call is counted and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicomweb_server import metrics
from dicomweb_server.model.errors import DicomwebError, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source


@dataclass(frozen=True, slots=True)
class Watched:
    inner: Source

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def kind(self) -> Kind:
        return self.inner.kind

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        with self._watched("search"):
            return self.inner.search(query, seconds=seconds)

    def series(self, study: str) -> list[DicomJson]:
        with self._watched("series"):
            return self.inner.series(study)

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        with self._watched("instances"):
            return self.inner.instances(key)

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        with self._watched("metadata"):
            return self.inner.metadata(key)

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Timed from one instance to the next."""
        begun = time.perf_counter()
        for fetched in self.inner.fetch(keys, stage):
            self._count("fetch", "failed" if fetched.error else "done", time.perf_counter() - begun)
            yield fetched
            begun = time.perf_counter()

    def check(self) -> Iterator[Checked]:
        return self.inner.check()

    def close(self) -> None:
        self.inner.close()

    @contextmanager
    def _watched(self, call: str) -> Iterator[None]:
        begun = time.perf_counter()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except NotFound:
            outcome = "unknown"
            raise
        except DicomwebError:
            raise
        finally:
            self._count(call, outcome, time.perf_counter() - begun)

    def _count(self, call: str, outcome: str, seconds: float) -> None:
        metrics.SOURCE_CALLS.labels(self.name, call, outcome).inc()
        metrics.SOURCE_SECONDS.labels(self.name, call).observe(seconds)


_: type[Source] = Watched
