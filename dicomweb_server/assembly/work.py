"""What the worker role runs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dicomweb_server.assembly.alerts import open_notices
from dicomweb_server.assembly.backends import open_backends, open_pool
from dicomweb_server.assembly.caching import DAY_SECONDS, eviction
from dicomweb_server.assembly.collecting import open_collecting
from dicomweb_server.assembly.receiving import open_receive
from dicomweb_server.assembly.upstream import open_sources
from dicomweb_server.model.messages import Kind
from dicomweb_server.settings import Settings

if TYPE_CHECKING:
    from dicomweb_server.workers.awaited import Awaited
    from dicomweb_server.workers.loop import Worker
    from dicomweb_server.workers.periodic import Periodic


FETCHED_AT_ONCE = 16
"""Instances one fetcher takes together: what a viewer asks for meanwhile waits no longer than for those."""


@contextmanager
def open_worker(settings: Settings, stop: threading.Event) -> Iterator[list[Worker | Periodic | Awaited]]:
    """Workers, and periodic work, to be run side by side until ``stop``."""
    from dicomweb_server.ingest.collect import CacheSeries
    from dicomweb_server.ingest.fetch import Fetch
    from dicomweb_server.preprocess.thumbnails import Preprocess
    from dicomweb_server.reconcile.reindex import Reindex
    from dicomweb_server.reconcile.series import ReconcileSeries
    from dicomweb_server.reconcile.sweep import Sweep
    from dicomweb_server.workers import policy
    from dicomweb_server.workers.arrivals import Arrivals
    from dicomweb_server.workers.givenup import GivenUp
    from dicomweb_server.workers.health import DiskHealth, SourceHealth
    from dicomweb_server.workers.loop import Stage, Worker
    from dicomweb_server.workers.periodic import Periodic

    notices = open_notices(settings)
    with (
        open_backends(settings) as backends,
        closing(GivenUp(backends.catalog, notices)) as given_up,
        open_pool(settings) as pool,
        open_receive(settings, backends) as receive,
        open_sources(settings, backends) as sources,
        open_collecting(settings, backends, sources, notices) as collecting,
    ):
        stages: dict[Kind, Stage] = {
            Kind.PREPROCESS: Preprocess(backends.objects, backends.catalog, pool, htj2k=settings.work.htj2k != "off"),
            Kind.REINDEX: Reindex(backends.objects, backends.catalog),
            Kind.RECONCILE: ReconcileSeries(
                backends.objects, backends.catalog, quiet_seconds=settings.ingest.series_quiet_seconds
            ),
        }
        arrivals = Arrivals(backends.catalog.changes.last)
        name = f"{socket.gethostname()}-{os.getpid()}"
        tries = policy.Policy(attempts=settings.work.attempts)
        workers: list[Worker | Periodic | Awaited] = [
            Worker(
                backends.queue,
                backends.signals,
                stages,
                f"{name}-{number}",
                policy=tries,
                in_burst=arrivals.in_burst,
                given_up=given_up,
                lease_seconds=settings.work.lease_seconds,
            )
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
                given_up=given_up,
                batch=FETCHED_AT_ONCE,
                lease_seconds=settings.work.lease_seconds,
            )
            for number in range(settings.cache.fetchers if sources else 0)
        ]
        sweep = Sweep(
            backends.catalog,
            backends.objects,
            backends.queue,
            backends.signals,
            notices,
            name,
            settings.work.tombstone_days * DAY_SECONDS,
            settings.work.stuck_seconds,
            wait=stop.wait,
        )
        workers.append(Periodic("sweep", sweep, settings.work.sweep_seconds))
        every = settings.notices.health_seconds
        disks = DiskHealth(folders(settings), notices, settings.notices.least_free)
        workers.append(Periodic("look at the disks", disks, every))
        if sources:
            workers.append(Periodic("look at the sources", SourceHealth(sources, notices), every))
        if settings.cache.max_bytes or settings.cache.max_age_days:
            workers.append(Periodic("eviction", eviction(settings, backends), settings.cache.evict_seconds))
        yield [*workers, *collecting]


def folders(settings: Settings) -> dict[str, Path]:
    """Where bytes are kept on disks of this machine."""
    kept = {"data": settings.data}
    objects = urlsplit(settings.objects_url)
    if objects.scheme == "file":
        kept["objects"] = Path(unquote(objects.path))
    return kept
