"""DELETE of studies, series and instances (E-01): not in the standard, and off unless a setting allows it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import NotFound
from dicomweb_server.web import params, problems
from dicomweb_server.web.services import services_of


async def remove(request: Request) -> Response:
    """DELETE: 204 when it is gone, 404 unknown, 410 when it was gone already."""
    key = params.scope_key(request)
    deletion = services_of(request).deletion
    if deletion is None:
        raise NotFound("nothing can be deleted here")
    await asyncio.to_thread(deletion, key)
    return Response(status_code=204)


async def switched_off(request: Request) -> Response:
    """DELETE where it is not allowed."""
    detail = "deleting is switched off; the setting allow_delete turns it on"
    return problems.problem(request, 405, detail, headers={"allow": "GET, HEAD, OPTIONS"})
