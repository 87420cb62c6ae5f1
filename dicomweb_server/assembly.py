"""Settings in, doors out: the only module that opens backends. A URL's scheme picks one, imported only when named.

Everything opened here is closed again, in the opposite order, when its ``with`` block ends. Nothing is opened before
it is asked for: processes fork first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.ingest.staged import read_staged
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Kind
from dicomweb_server.model.records import Origin
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.pool.base import Pool
from dicomweb_server.queues.base import Queue
from dicomweb_server.settings import Settings, SettingsError, SourceSettings, address
from dicomweb_server.signals.base import Signals
from dicomweb_server.signals.datagram import DatagramSignals
from dicomweb_server.sources.base import Source

if TYPE_CHECKING:
    import uvicorn

    from dicomweb_server.dimse.server import Server as DimseServer
    from dicomweb_server.retrieve.arrival import Arrival
    from dicomweb_server.web.app import WebOptions
    from dicomweb_server.workers.loop import Worker

T = TypeVar("T")

FETCHED_AT_ONCE = 8
"""Instances one fetcher takes together: what a viewer asks for meanwhile waits no longer than for those."""

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
        catalog, queue = _catalog(settings.catalog_url)
        try:
            yield Backends(objects, catalog, queue, signals)
        finally:
            catalog.close()
    finally:
        signals.close()
        objects.close()


@contextmanager
def open_receive(settings: Settings, backends: Backends) -> Iterator[Receive]:
    """The one way in. At the end everything handed over is answered."""
    commit = GroupCommit(
        backends.objects,
        backends.catalog.holdings,
        backends.signals,
        Policy(settings.ingest.conflict),
        quiet_seconds=settings.ingest.series_quiet_seconds,
        source_of=_source_of(settings, backends),
    )
    receive = Receive(commit, read=partial(read_staged, zero_preamble=settings.ingest.zero_preamble))
    try:
        yield receive
    finally:
        receive.close()


def _source_of(settings: Settings, backends: Backends) -> Callable[[Origin, InstanceKey], str | None]:
    """Tells what comes in by a C-MOVE of ours from a push: by originator and message id (PS3.7 9.3.1.1)."""
    ours = {each.calling_aet or settings.dimse.aet: each for each in settings.sources if each.retrieve == "move"}

    def source_of(origin: Origin, key: InstanceKey) -> str | None:
        wanted = ours.get((origin.move_originator_aet or "").strip())
        if origin.source is not None or wanted is None or origin.move_message_id is None:
            return origin.source
        destination = wanted.move_to or settings.dimse.aet
        return backends.catalog.pulling.pulled_by(origin.move_message_id, destination=destination, study_uid=key.study)

    return source_of


@contextmanager
def open_web(settings: Settings) -> Iterator[uvicorn.Server]:
    """The HTTP door, to be run on a socket that somebody bound."""
    from dicomweb_server.ingest.deletion import Delete
    from dicomweb_server.retrieve.bulkdata import Bulkdata
    from dicomweb_server.retrieve.frames import Frames
    from dicomweb_server.retrieve.metadata import Metadata
    from dicomweb_server.retrieve.search import Search, Searched
    from dicomweb_server.retrieve.shelf import Shelf
    from dicomweb_server.web.app import make_app
    from dicomweb_server.web.protocol import Bounds
    from dicomweb_server.web.server import make_server
    from dicomweb_server.web.services import Services

    with (
        open_backends(settings) as backends,
        open_receive(settings, backends) as receive,
        _pool(settings) as pool,
        open_sources(settings, backends) as sources,
    ):
        arrival = _arrival(settings, backends, sources) if sources else None
        shelf = Shelf(backends.catalog, backends.objects, arrival=arrival)
        asked = [
            Searched(sources[each.name], each.search_seconds) for each in settings.sources if each.search == "merge"
        ]
        services = Services(
            catalog=backends.catalog,
            objects=backends.objects,
            receive=receive,
            pool=pool,
            shelf=shelf,
            frames=Frames(shelf),
            metadata=Metadata(shelf),
            bulkdata=Bulkdata(shelf),
            strict_accept=settings.http.strict_accept,
            search=Search(backends.catalog, arrival, asked),
            deletion=Delete(backends.objects, backends.catalog.holdings, backends.signals),
        )
        yield make_server(
            make_app(services, options=_web_options(settings)),
            bounds=Bounds(max_connections=settings.http.max_connections),
            graceful_seconds=int(settings.http.stop_seconds),
        )


@contextmanager
def open_dimse(settings: Settings) -> Iterator[DimseServer]:
    """The DICOM port, not yet started."""
    from dicomweb_server.dimse.admission import TitleRules
    from dicomweb_server.dimse.association import Timing
    from dicomweb_server.dimse.contexts import ContextRules
    from dicomweb_server.dimse.server import Caps, Server

    wanted = settings.dimse
    host, port = address(wanted.listen)
    with open_backends(settings) as backends, open_receive(settings, backends) as receive:
        yield Server(
            receive,
            host=host,
            port=port,
            titles=TitleRules(
                wanted.aet.strip(), check_called=wanted.check_called, calling=settings.dimse.calling_titles
            ),
            contexts=ContextRules(
                extra_classes=wanted.extra_sop_classes,
                private_classes=wanted.private_sop_classes,
                extra_syntaxes=wanted.extra_transfer_syntaxes,
            ),
            timing=Timing(idle_seconds=wanted.idle_seconds),
            caps=Caps(associations=wanted.max_associations, per_peer=wanted.max_associations_per_peer),
            pdu_size=wanted.max_pdu_bytes,
            data_set_size=settings.ingest.max_instance_bytes,
        )


@contextmanager
def open_worker(settings: Settings) -> Iterator[list[Worker]]:
    """Workers to be run side by side."""
    from dicomweb_server.ingest.collect import CacheSeries
    from dicomweb_server.ingest.fetch import Fetch
    from dicomweb_server.preprocess.thumbnails import Preprocess
    from dicomweb_server.reconcile.lost import queue_lost
    from dicomweb_server.reconcile.series import ReconcileSeries
    from dicomweb_server.workers import policy
    from dicomweb_server.workers.loop import Stage, Worker

    with (
        open_backends(settings) as backends,
        _pool(settings) as pool,
        open_receive(settings, backends) as receive,
        open_sources(settings, backends) as sources,
    ):
        queue_lost(backends.catalog, backends.queue)
        stages: dict[Kind, Stage] = {
            Kind.PREPROCESS: Preprocess(backends.objects, backends.catalog, pool),
            Kind.RECONCILE: ReconcileSeries(
                backends.objects, backends.catalog, quiet_seconds=settings.ingest.series_quiet_seconds
            ),
        }
        name = f"{socket.gethostname()}-{os.getpid()}"
        tries = policy.Policy(attempts=settings.work.attempts)
        workers = [
            Worker(backends.queue, backends.signals, stages, f"{name}-{number}", policy=tries)
            for number in range(settings.work.threads)
        ]
        fetching: dict[Kind, Stage] = {
            Kind.FETCH: Fetch(backends.catalog, receive, sources, backends.signals, attempts=settings.work.attempts),
            Kind.CACHE_SERIES: CacheSeries(backends.catalog, sources, backends.signals),
        }
        workers += [
            Worker(
                backends.queue,
                backends.signals,
                fetching,
                f"{name}-fetch-{number}",
                policy=tries,
                batch=FETCHED_AT_ONCE,
            )
            for number in range(settings.cache.fetchers if sources else 0)
        ]
        yield workers


@contextmanager
def open_sources(settings: Settings, backends: Backends) -> Iterator[dict[str, Source]]:
    """The sources by name, in the order in which they are asked."""
    opened: dict[str, Source] = {}
    try:
        for wanted in settings.sources:
            opened[wanted.name] = (_pacs if wanted.kind == "pacs" else _dicomweb)(settings, wanted, backends)
        yield opened
    finally:
        for source in opened.values():
            source.close()


def _dicomweb(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.dicomweb import DicomwebSource

    headers = {}
    if wanted.authorization_env:
        if wanted.authorization_env not in os.environ:
            raise SettingsError(f"source {wanted.name}: {wanted.authorization_env} is not in the environment")
        headers["Authorization"] = os.environ[wanted.authorization_env]
    return DicomwebSource(
        wanted.name,
        wanted.url,
        headers=headers,
        timeout_seconds=wanted.timeout_seconds,
        connections=wanted.connections,
    )


def _pacs(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.pacs import PacsSource, Peer, Pulls

    peer = Peer(
        wanted.host,
        wanted.port,
        wanted.called_aet,
        wanted.calling_aet or settings.dimse.aet,
        associations=wanted.connections,
        answer_seconds=wanted.timeout_seconds,
    )
    if wanted.retrieve == "get":
        return PacsSource(wanted.name, peer)
    destination = wanted.move_to or settings.dimse.aet
    pulling = backends.catalog.pulling

    def written_down(keys: Sequence[InstanceKey]) -> int:
        return pulling.open_pull(keys[0].of_series, source=wanted.name, destination=destination)

    return PacsSource(wanted.name, peer, move_to=destination, pulls=Pulls(written_down, pulling.close_pull))


def _arrival(settings: Settings, backends: Backends, sources: Mapping[str, Source]) -> Arrival:
    from dicomweb_server.ingest.collect import Collect
    from dicomweb_server.retrieve.arrival import Arrival

    return Arrival(
        backends.catalog,
        backends.signals,
        sources,
        Collect(backends.catalog, list(sources.values())),
        wait_seconds=settings.cache.fetch_wait_seconds,
        series_wait_seconds=settings.cache.series_wait_seconds,
    )


def _web_options(settings: Settings) -> WebOptions:
    from dicomweb_server.web.address import AddressRules
    from dicomweb_server.web.app import WebOptions
    from dicomweb_server.web.cors import CorsRules
    from dicomweb_server.web.search_request import SearchRules
    from dicomweb_server.web.upload import UploadLimits

    http = settings.http
    return WebOptions(
        address=AddressRules(
            root=http.root,
            public_base=http.public_url.rstrip("/") + http.root if http.public_url else None,
            trusted_proxies=tuple(ip_network(each, strict=False) for each in http.trusted_proxies),
        ),
        cors=CorsRules(origins=http.cors_origins),
        search=SearchRules(max_results=http.max_results),
        allow_delete=http.allow_delete,
        uploads=UploadLimits(
            max_body=http.max_body_bytes, max_part=settings.ingest.max_instance_bytes, max_parts=http.max_parts
        ),
        viewer=settings.viewer,
    )


@contextmanager
def _pool(settings: Settings) -> Iterator[Pool]:
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


def _catalog(url: str) -> tuple[Catalog, Queue]:
    return _opener(url, _CATALOGS, "storage.catalog")(url)


def _opener(url: str, openers: Mapping[str, Callable[[str], T]], key: str) -> Callable[[str], T]:
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in openers:
        raise SettingsError(f"{key}: nothing here opens {scheme!r} addresses, only {', '.join(openers)}")
    return openers[scheme]


def _folder(url: str) -> ObjectStore:
    from dicomweb_server.objects.folder import FolderStore

    return FolderStore(Path(unquote(urlsplit(url).path)))


def _sql(url: str) -> tuple[Catalog, Queue]:
    from dicomweb_server.catalog.sql import open_catalog
    from dicomweb_server.queues.sql import SqlQueue

    catalog = open_catalog(url)
    return catalog, SqlQueue(catalog.database)


_OBJECTS = {"file": _folder}
_CATALOGS = {"sqlite": _sql, "postgresql": _sql}
