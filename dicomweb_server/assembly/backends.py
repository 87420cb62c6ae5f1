"""Objects, catalog, queue, signals and decoders. A URL's scheme picks a backend, imported only when named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.pool.base import Pool
from dicomweb_server.queues.base import Queue
from dicomweb_server.settings import Settings, SettingsError
from dicomweb_server.signals.base import Signals
from dicomweb_server.signals.datagram import DatagramSignals

T = TypeVar("T")


DECODING = "dicomweb_server.dicom.drawing"
"""What every decoder process needs, loaded once."""


@dataclass(frozen=True, slots=True)
class Backends:
    objects: ObjectStore
    catalog: Catalog
    queue: Queue
    signals: Signals


@contextmanager
def open_backends(settings: Settings) -> Iterator[Backends]:
    """Raises BackendFailed, SettingsError."""
    settings.data.mkdir(parents=True, exist_ok=True)
    objects = _objects(settings.objects_url)
    signals = DatagramSignals(settings.data / "signals")
    try:
        catalog, queue = _catalog(settings)
        try:
            yield Backends(objects, catalog, queue, signals)
        finally:
            catalog.close()
    finally:
        signals.close()
        objects.close()


@contextmanager
def open_pool(settings: Settings) -> Iterator[Pool]:
    from dicomweb_server.pool.processes import ProcessPool

    work = settings.work
    pool = ProcessPool(
        processes=work.decoders,
        seconds=work.decode_seconds,
        memory=work.decode_memory_bytes,
        preload=[DECODING],
    )
    try:
        yield pool
    finally:
        pool.close()


def _objects(url: str) -> ObjectStore:
    return _opener(url, _OBJECTS, "storage.objects")(url)


def _catalog(settings: Settings) -> tuple[Catalog, Queue]:
    return _opener(settings.catalog_url, _CATALOGS, "storage.catalog")(settings)


def _opener(url: str, openers: Mapping[str, T], key: str) -> T:
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in openers:
        raise SettingsError(f"{key}: nothing here opens {scheme!r} addresses, only {', '.join(openers)}")
    return openers[scheme]


def _folder(url: str) -> ObjectStore:
    from dicomweb_server.objects.folder import FolderStore

    return FolderStore(Path(unquote(urlsplit(url).path)))


def _sql(settings: Settings) -> tuple[Catalog, Queue]:
    from dicomweb_server.catalog.sql import open_catalog
    from dicomweb_server.queues.sql import SqlQueue

    try:
        catalog = open_catalog(settings.catalog_url, indexed=settings.search.indexed)
    except ValueError as error:
        raise SettingsError(f"search.indexed: {error}") from None
    return catalog, SqlQueue(catalog.database)


_OBJECTS = {"file": _folder}


_CATALOGS = {"sqlite": _sql, "postgresql": _sql}
