"""GET /metrics, for Prometheus: what all processes counted, and how the queue and the catalog stand (H-27)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server import metrics
from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.states import State
from dicomweb_server.queues.base import Queue
from dicomweb_server.web.services import services_of

_STATES = [state.name.lower() for state in State]


async def figures(request: Request) -> Response:
    services = services_of(request)

    def look() -> Iterator[metrics.Figure]:
        yield from _of_catalog(services.catalog)
        if services.queue is not None:
            yield from _of_queue(services.queue)

    text = await asyncio.to_thread(metrics.exposition, look)
    return Response(text, headers={"cache-control": "no-store"}, media_type=metrics.CONTENT_TYPE)


def _of_catalog(catalog: Catalog) -> Iterator[metrics.Figure]:
    totals = catalog.progress.totals()
    for level in ("studies", "series"):
        yield f"dicomweb_{level}", f"How many {level} are known.", {}, totals.get(level, 0)
    for level in ("series", "studies"):
        for state in _STATES:
            labels = {"state": state}
            yield (
                f"dicomweb_{level}_by_state",
                f"{level} by state.".capitalize(),
                labels,
                totals.get(f"{level}_{state}", 0),
            )
    for state in _STATES:
        yield "dicomweb_instances", "Instances by state.", {"state": state}, totals.get(state, 0)


def _of_queue(queue: Queue) -> Iterator[metrics.Figure]:
    stats = queue.stats()
    name, meaning = "dicomweb_queue_tickets", "Tickets in the queue."
    for band, count in stats.waiting.items():
        yield name, meaning, {"state": "waiting", "band": str(band)}, count
    for state, count in (("delayed", stats.delayed), ("leased", stats.leased), ("dead", stats.dead)):
        yield name, meaning, {"state": state, "band": ""}, count
    yield "dicomweb_queue_oldest_seconds", "Age of the oldest ticket that waits.", {}, stats.oldest_seconds
