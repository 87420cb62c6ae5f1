"""Metadata as it was written down before anybody asked: documents of series at rest, rows of those that grow."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from isal import igzip

from dicomweb_server.catalog.base import SeriesProgress
from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.records import BASE, LOCAL, Principal
from dicomweb_server.model.states import State
from dicomweb_server.retrieve.arrival import ARRIVING
from dicomweb_server.retrieve.shelf import Shelf

SMALLEST_TO_GZIP = 1024
IN_THREAD = 64 << 10
"""Bytes from which replacing and compressing is worth a thread."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON array of data sets as it goes out."""

    body: bytes
    etag: str
    """Without quotes; another one for each content, base and coding."""
    gzip: bool
    left_out: int = 0
    """Announced instances that are not described: nothing of them could be fetched."""


@dataclass(frozen=True, slots=True)
class Described:
    """Data sets of a study or series, and how many of its announced instances have none, at the same moment."""

    rows: list[bytes]
    left_out: int = 0


class Documents:
    """The last documents made, by etag, within a number of bytes."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._entries: OrderedDict[str, Document] = OrderedDict()

    def get(self, etag: str) -> Document | None:
        found = self._entries.get(etag)
        if found is not None:
            self._entries.move_to_end(etag)
        return found

    def put(self, document: Document) -> None:
        if document.etag in self._entries:
            return
        self._entries[document.etag] = document
        self._left -= len(document.body)
        while self._left < 0 and self._entries:
            self._left += len(self._entries.popitem(last=False)[1].body)


@dataclass(slots=True)
class Metadata:
    shelf: Shelf
    cache: Documents = field(default_factory=lambda: Documents(48 << 20))

    async def settle(self, scope: Scope) -> None:
        """Make sure that all of an announced study or series can be described: told by its source, or here.

        Raises NotFound, Gone, NotReady; BackendFailed where all of a series failed.
        """
        arrival = self.shelf.arrival
        if arrival is None or isinstance(scope, InstanceKey):
            return
        await arrival.open(StudyKey(scope.study, scope.tenant))
        for progress in await self._of(scope):
            if _arriving(progress) and await arrival.described(progress.key) is None:
                await arrival.whole(progress.key)
        for progress in await self._of(scope):
            if progress.counts and set(progress.counts) == {State.FAILED}:
                # An empty list would be shown as an empty series.
                raise BackendFailed(f"nothing of series {progress.key.series} could be fetched", passing=True)

    async def _of(self, scope: StudyKey | SeriesKey) -> tuple[SeriesProgress, ...]:
        if isinstance(scope, SeriesKey):
            return (await self.shelf.series(scope),)
        return await self.shelf.study(scope)

    async def identity(self, scope: Scope, *, principal: Principal = LOCAL) -> str:
        """A text that changes whenever the metadata of a study, series or instance does. Raises NotFound, Gone."""
        await self.settle(scope)
        match scope:
            case InstanceKey():
                return f"i{(await self.shelf.instance(scope, within_seconds=0.0)).version.version}"
            case SeriesKey():
                return _of_series(await self.shelf.series(scope))
            case StudyKey():
                parts = "".join(map(_of_series, await self.shelf.study(scope)))
                return "t" + hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()

    async def document(self, scope: Scope, etag: str, *, base: str, gzip: bool) -> Document:
        """The metadata with references below ``base``, kept under ``etag``: that of its identity, base and coding.

        Raises NotFound, Gone.
        """
        found = self.cache.get(etag)
        if found is None:
            stored, left_out = await self._stored(scope)
            if len(stored) > IN_THREAD:
                found = await asyncio.to_thread(_finished, stored, etag, base, gzip, left_out)
            else:
                found = _finished(stored, etag, base, gzip, left_out)
            if not left_out:
                self.cache.put(found)
        return found

    async def rows(self, scope: Scope) -> Described:
        """One data set for each instance, with placeholders for the base. Raises NotFound, Gone."""
        arrival = self.shelf.arrival
        if isinstance(scope, InstanceKey):
            return Described(await asyncio.to_thread(self.shelf.catalog.holdings.metadata, scope))
        if arrival is None:
            rows = await asyncio.to_thread(self.shelf.catalog.holdings.metadata, scope)
            return Described(rows, _lacking(await self._of(scope), len(rows)))
        rows = []
        left_out = 0
        for progress in await self._of(scope):
            described = await arrival.described(progress.key) if _arriving(progress) else None
            if described is None:
                described = await asyncio.to_thread(self.shelf.catalog.holdings.metadata, progress.key)
                left_out += max(0, sum(progress.counts.values()) - len(described))
            rows += described
        return Described(rows, left_out)

    async def _stored(self, scope: Scope) -> tuple[bytes, int]:
        """A JSON array with placeholders for the base, and how many instances it leaves out."""
        if isinstance(scope, SeriesKey):
            progress = await self.shelf.series(scope)
            if progress.document is not None:
                left_out = _lacking([progress], progress.document.instances)
                try:
                    return await self.shelf.objects.read(progress.document.object_key), left_out
                except NotFound:
                    pass  # replaced meanwhile: the rows tell
        described = await self.rows(scope)
        return b"[" + b",".join(described.rows) + b"]", described.left_out


def _finished(stored: bytes, etag: str, base: str, gzip: bool, left_out: int) -> Document:
    body = stored.replace(BASE, base.encode())
    if gzip and len(body) >= SMALLEST_TO_GZIP:
        return Document(igzip.compress(body, compresslevel=1, mtime=0), etag, True, left_out)
    return Document(body, etag, False, left_out)


def _of_series(progress: SeriesProgress) -> str:
    if progress.document is not None:
        return f"d{progress.document.etag}"
    return f"r{progress.key.series}.{'announced' if _arriving(progress) else progress.revision}"


def _lacking(found: Sequence[SeriesProgress], described: int) -> int:
    """How many failed without ever having been here, or are lost. What failed by its pixels only is described."""
    failed = sum(progress.counts.get(State.FAILED, 0) for progress in found)
    return max(0, min(failed, sum(sum(progress.counts.values()) for progress in found) - described))


def _arriving(progress: SeriesProgress) -> bool:
    return any(progress.counts.get(state) for state in ARRIVING)


def etag_of(identity: str, base: str, form: str, *, gzip: bool) -> str:
    """One for each representation, without quotes (H-10)."""
    digest = hashlib.blake2b(f"{identity} {base} {form}".encode(), digest_size=16).hexdigest()
    return f"{digest}{'-gzip' if gzip else ''}"
