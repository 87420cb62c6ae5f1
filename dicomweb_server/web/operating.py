"""What every operation of the API shares: its answer, what it takes, and the queue it speaks of."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import NotFound, UnsupportedMedia
from dicomweb_server.queues.base import Queue
from dicomweb_server.web import params
from dicomweb_server.web.services import services_of

MOST = 1000
"""Entries of one page of a list."""


def check_json(request: Request) -> None:
    """No page of another origin can send JSON unasked. Raises UnsupportedMedia."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia("the body must be application/json", available=("application/json",))


def queue_of(request: Request) -> Queue:
    """Raises NotFound where there is none."""
    found = services_of(request).queue
    if found is None:
        raise NotFound("there is no queue here")
    return found


def page_of(request: Request) -> tuple[int, int]:
    """Limit and offset of a list. Raises BadRequest."""
    limit, offset = params.single(request, "limit"), params.single(request, "offset")
    return (
        min(params.unsigned(limit), MOST) if limit is not None else 100,
        params.unsigned(offset) if offset is not None else 0,
    )


def json_answer(body: object) -> Response:
    return Response(orjson.dumps(body), headers={"cache-control": "no-store"}, media_type="application/json")
