"""A series at rest gets its document: the metadata of all its instances, ready to be sent.

A pushed series is at rest when nothing came for a while, since the end of an association says nothing (PS3.4 B.4,
D-14); a fetched one when every announced instance is here or failed by name. Until then its metadata is assembled
from rows, and a growing document is never rewritten. An instance that arrives later takes the document away again.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isal import igzip

from dicomweb_server.catalog.base import Catalog, SeriesProgress
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import BASE, SeriesDocument
from dicomweb_server.model.results import DONE, Again, Done, Result
from dicomweb_server.model.states import State
from dicomweb_server.objects import layout
from dicomweb_server.objects.base import ObjectStore

ARRIVING = frozenset({State.ANNOUNCED, State.QUEUED, State.FETCHING})

LOST_RACE_SECONDS = 0.2
"""An instance came while the document was being written: look again soon."""

STALE_SECONDS = 60.0
"""A document replaced longer ago than this has no reader left."""


def rest_in(progress: SeriesProgress, *, now: float, quiet_seconds: float) -> float | None:
    """Seconds until the series may be at rest, 0 when it is, None when only another arrival can tell."""
    if any(progress.counts.get(state) for state in ARRIVING):
        return None
    if not progress.pushed:
        return 0.0
    if progress.last_arrival > now:
        return 0.0  # the clock was set back
    return max(0.0, progress.last_arrival + quiet_seconds - now)


@dataclass(frozen=True, slots=True)
class ReconcileSeries:
    objects: ObjectStore
    catalog: Catalog
    quiet_seconds: float = 5.0
    now: Callable[[], float] = time.time

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        return [self._one(ticket.key) if isinstance(ticket.key, SeriesKey) else DONE for ticket in tickets]

    def _one(self, key: SeriesKey) -> Done | Again:
        """Series and study follow their instances in any case; the document waits for rest."""
        self.catalog.progress.roll_up(key)
        try:
            progress = self.catalog.holdings.series_progress(key)
        except NotFound:
            return DONE
        if progress.document is not None:
            return DONE
        rest = rest_in(progress, now=self.now(), quiet_seconds=self.quiet_seconds)
        if rest is None:
            return DONE
        if rest > 0:
            return Again(rest)
        return self._write(progress)

    def _write(self, progress: SeriesProgress) -> Done | Again:
        try:
            instances = self.catalog.holdings.metadata(progress.key)
        except NotFound:
            return DONE
        body = b"[" + b",".join(instances) + b"]"
        document = self._store(progress.key, body, len(instances))
        if self.catalog.progress.settle_series(progress.key, document, revision=progress.revision):
            self._forget_older(document)
            return DONE
        self.objects.delete(_forms(document))
        return Again(LOST_RACE_SECONDS)

    def _store(self, key: SeriesKey, body: bytes, instances: int) -> SeriesDocument:
        etag = hashlib.sha256(body).hexdigest()[:32]
        name = layout.series_metadata(key, etag, secrets.token_hex(8))
        self.objects.replace(name, body)
        if BASE not in body:
            self.objects.replace(name + ".gz", igzip.compress(body, compresslevel=1, mtime=0))
        return SeriesDocument(key, name, etag, instances)

    def _forget_older(self, document: SeriesDocument) -> None:
        current = _forms(document)
        older = self.now() - STALE_SECONDS
        self.objects.delete(
            [
                info.key
                for info in self.objects.list(layout.series_documents(document.key))
                if info.key not in current and info.modified < older
            ]
        )


def _forms(document: SeriesDocument) -> list[str]:
    return [document.object_key, document.object_key + ".gz"]
