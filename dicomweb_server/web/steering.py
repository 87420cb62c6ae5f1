"""Operations that steer the cache: fetch this first, not now, once more, read it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.ids import InstanceKey, Scope
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.retrieve.arrival import ARRIVING
from dicomweb_server.signals.base import TICKETS
from dicomweb_server.web import params
from dicomweb_server.web.operating import check_json, json_answer, queue_of
from dicomweb_server.web.services import services_of


async def raise_(request: Request) -> Response:
    """Fetch what is announced of a scope before anything else"""
    scope, catalog = _scope(request), services_of(request).catalog
    band = Band.WAITING if isinstance(scope, InstanceKey) else Band.SERIES

    def work() -> int:
        missing = catalog.pulling.missing(scope)
        wanted = [Ticket(Kind.FETCH, each.key, band) for each in missing if each.source and each.state in ARRIVING]
        catalog.pulling.want(wanted)
        return len(wanted)

    return await _steered(request, work)


async def cancel(request: Request) -> Response:
    """What is queued of a scope is only announced again; what is being fetched now comes still"""
    scope, mending = _scope(request), services_of(request).catalog.mending
    return await _steered(request, lambda: mending.cancel(scope))


async def retry(request: Request) -> Response:
    """Work once more on what failed of a scope, with no attempts on its record"""
    scope, mending = _scope(request), services_of(request).catalog.mending
    return await _steered(request, lambda: mending.retry(scope))


async def reindex(request: Request) -> Response:
    """Derive everything of a study anew from its files, in the background"""
    key = params.study_key(request)
    await asyncio.to_thread(services_of(request).catalog.holdings.series_of, key)
    queue = queue_of(request)

    def work() -> int:
        queue.put([Ticket(Kind.REINDEX, key)])
        return 1

    return await _steered(request, work)


def _scope(request: Request) -> Scope:
    names = request.path_params
    if "instance" in names:
        return params.instance_key(request)
    return params.series_key(request) if "series" in names else params.study_key(request)


async def _steered(request: Request, work: Callable[[], int]) -> Response:
    """How many things ``work`` was about. Raises UnsupportedMedia for what a page of another origin may send."""
    check_json(request)
    count = await asyncio.to_thread(work)
    signals = services_of(request).signals
    if signals is not None:
        await asyncio.to_thread(signals.announce, TICKETS)
    return json_answer({"count": count})
