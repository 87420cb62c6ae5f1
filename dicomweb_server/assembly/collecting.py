"""What works on collections: the worker's part, and how manifests are read anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dicomweb_server.assembly.alerts import open_told
from dicomweb_server.assembly.backends import Backends
from dicomweb_server.assembly.caching import eviction
from dicomweb_server.model.collections import Collection
from dicomweb_server.model.manifest import MANIFESTS, Location, Manifest, manifest_of
from dicomweb_server.notices.base import Notices
from dicomweb_server.settings import Settings
from dicomweb_server.signals.base import COLLECTIONS
from dicomweb_server.sources.base import Source

if TYPE_CHECKING:
    from dicomweb_server.sources.content import ContentSource
    from dicomweb_server.workers.awaited import Awaited
    from dicomweb_server.workers.periodic import Periodic

SETTLE_SECONDS = 1.0
HOUR_SECONDS = 3600.0


def reader(settings: Settings) -> Callable[[bytes], Manifest]:
    """Reads a manifest as this site takes them. Raises BadRequest, TooLarge."""
    import orjson

    from dicomweb_server.model.errors import BadRequest

    def read(body: bytes) -> Manifest:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the manifest is not JSON: {error}") from None
        return manifest_of(document, hosts=frozenset(settings.collections.hosts))

    return read


@contextmanager
def open_collecting(
    settings: Settings, backends: Backends, sources: Mapping[str, Source], notices: Notices
) -> Iterator[list[Periodic | Awaited]]:
    """What is to be run for them."""
    from dicomweb_server.assembly.upstream import content_source
    from dicomweb_server.ingest.collect import Collect
    from dicomweb_server.ingest.collections import Describe, Settle
    from dicomweb_server.ingest.submissions import Submissions
    from dicomweb_server.workers.awaited import Awaited
    from dicomweb_server.workers.periodic import Periodic

    asked = [source for name, source in sources.items() if name != MANIFESTS]
    content = content_source(settings, backends)
    read = reader(settings)
    describe = Describe(
        backends.catalog,
        asked,
        Collect(backends.catalog, asked),
        _manifests(settings, backends, content, read),
        eviction(settings, backends).purge,
        backends.signals,
        attempts=settings.work.attempts,
    )
    settle = Settle(
        backends.catalog, open_told(settings), notices, keep_seconds=settings.collections.keep_hours * HOUR_SECONDS
    )
    work: list[Periodic | Awaited] = [
        Awaited("describe collections", describe, backends.signals, COLLECTIONS),
        Periodic("settle collections", settle, SETTLE_SECONDS),
    ]
    folder = settings.submissions
    if folder is not None:
        taken = Submissions(folder, backends.catalog, read, settings.collections.max_manifest_bytes)
        work.append(Periodic("submissions", taken, settings.collections.submissions_seconds))
    try:
        yield work
    finally:
        content.close()


def _manifests(
    settings: Settings, backends: Backends, content: ContentSource, read: Callable[[bytes], Manifest]
) -> Callable[[Collection], Manifest]:
    """The manifest of a collection: kept with it, or fetched from where it lies."""

    def manifest(wanted: Collection) -> Manifest:
        url = wanted.request.get("manifest_url")
        if url is None:
            return read(backends.catalog.collections.document(wanted.id, wanted.tenant))
        with tempfile.TemporaryDirectory(dir=settings.data) as folder:
            file = Path(folder) / "manifest"
            content.download(Location(url), file, longest=settings.collections.max_manifest_bytes)
            return read(file.read_bytes())

    return manifest
