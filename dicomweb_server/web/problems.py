"""Errors as HTTP answers: one table, one body, no patient data (C-01)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.errors import (
    BackendFailed,
    BadRequest,
    Conflict,
    DicomwebError,
    Forbidden,
    Gone,
    NotAcceptable,
    NotFound,
    NotReady,
    OutOfResources,
    Rejected,
    TooLarge,
    UnsupportedMedia,
)

STATUS: dict[type[DicomwebError], int] = {
    BadRequest: 400,
    NotAcceptable: 406,
    UnsupportedMedia: 415,
    TooLarge: 413,
    NotFound: 404,
    Gone: 410,
    Forbidden: 403,
    Conflict: 409,
    Rejected: 409,
    NotReady: 503,
    BackendFailed: 502,
    OutOfResources: 503,
}
"""The nearest class in an error's line of descent decides."""


def status_of(error: DicomwebError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def answer_to(request: Request, error: Exception) -> Response | None:
    """The answer to an error of ours, or to what the route table refuses; None to what nobody foresaw."""
    if isinstance(error, HTTPException):
        return problem(request, error.status_code, _ROUTING.get(error.status_code, error.detail), headers=error.headers)
    if not isinstance(error, DicomwebError):
        return None
    headers = {}
    if isinstance(error, NotReady | OutOfResources):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    available = error.available if isinstance(error, NotAcceptable | UnsupportedMedia) else ()
    return problem(request, status_of(error), str(error), headers=headers, available=available)


async def nothing(request: Request) -> Response:
    """For every method on a path that is not in the route table."""
    return problem(request, 404, _ROUTING[404])


_ROUTING = {404: "there is no such resource", 405: "this resource does not take that method"}


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    available: tuple[str, ...] = (),
) -> Response:
    """A short explanation: JSON where that is welcome, else text. 406 and 415 list what could be had (C-40)."""
    phrase = HTTPStatus(status).phrase
    answered = {"cache-control": "no-store", "vary": "Accept", **(headers or {})}
    if _wants_json(request.headers.get("accept", "*/*")):
        body = {"error": phrase, "detail": detail} | ({"available": available} if available else {})
        return Response(orjson.dumps(body), status, answered, media_type="application/json")
    text = f"{phrase}: {detail}\n" + "".join(f"available: {kind}\n" for kind in available)
    return Response(text, status, answered, media_type="text/plain")


def _wants_json(accept: str) -> bool:
    accept = accept.lower()
    return "json" in accept or "*/*" in accept or "application/*" in accept
