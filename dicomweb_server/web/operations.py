"""What an operator and a load balancer ask: is it alive, is it ready, what is here (H-27). No patient data."""

from __future__ import annotations

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server import __version__
from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.web import problems, viewer
from dicomweb_server.web.services import services_of

_NOT_KEPT = {"cache-control": "no-store"}


async def alive(request: Request) -> Response:
    """GET /healthz: this process answers."""
    return _json({"status": "alive", "version": __version__})


async def ready(request: Request) -> Response:
    """GET /readyz: the catalog answers, so requests can be served; else 503."""
    try:
        await asyncio.to_thread(services_of(request).catalog.changes.last)
    except DicomwebError:
        return problems.problem(request, 503, "the catalog does not answer", headers={"retry-after": "5"})
    return _json({"status": "ready"})


async def status(request: Request) -> Response:
    """GET /api/v1/status: how much is here, and how far along it is."""
    totals = await asyncio.to_thread(services_of(request).catalog.progress.totals)
    state = request.app.state
    return _json(
        {
            "version": __version__,
            "dicomweb": state.address_rules.root,
            "viewer": viewer.is_installed(state.viewer),
            "totals": totals,
        }
    )


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), headers=_NOT_KEPT, media_type="application/json")
