"""QIDO-RS: the six search resources (Q-01), answered as JSON or XML."""

from __future__ import annotations

import asyncio
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.model.query import Level, Page
from dicomweb_server.model.records import BASE
from dicomweb_server.web import address, caching, compression, datasets, params, search_request
from dicomweb_server.web.datasets import Form
from dicomweb_server.web.headers import warning
from dicomweb_server.web.search_request import Asked, SearchRules
from dicomweb_server.web.services import services_of


async def studies(request: Request) -> Response:
    """GET /studies"""
    return await _search(request, level=Level.STUDY)


async def series(request: Request) -> Response:
    """GET /series"""
    return await _search(request, level=Level.SERIES, relational=True)


async def instances(request: Request) -> Response:
    """GET /instances"""
    return await _search(request, level=Level.INSTANCE, relational=True)


async def series_of_study(request: Request) -> Response:
    """GET /studies/{study}/series"""
    return await _search(request, level=Level.SERIES, study=params.study_key(request).study)


async def instances_of_study(request: Request) -> Response:
    """GET /studies/{study}/instances"""
    return await _search(request, level=Level.INSTANCE, study=params.study_key(request).study, relational=True)


async def instances_of_series(request: Request) -> Response:
    """GET /studies/{study}/series/{series}/instances"""
    key = params.series_key(request)
    return await _search(request, level=Level.INSTANCE, study=key.study, series=key.series)


async def _search(
    request: Request, *, level: Level, study: str | None = None, series: str | None = None, relational: bool = False
) -> Response:
    rules: SearchRules = request.app.state.search_rules
    form = datasets.form(request, datasets.SEARCH)
    asked = search_request.asked(
        params.parameters(request), rules, level=level, study=study, series=series, relational=relational
    )
    page = await _found(request, asked)
    base = address.public_base(request)
    warnings = [warning(base, text) for text in _remarks(asked, page)]
    if not page.matches and not (rules.empty_list and form is not Form.XML_PARTS):
        return _dressed(Response(status_code=204), warnings)
    if form is Form.XML_PARTS:
        matches = [match.replace(BASE, base.encode()) for match in page.matches]
        body, media_type = await asyncio.to_thread(datasets.xml_parts, matches)
    else:
        body, media_type = (b"[" + b",".join(page.matches) + b"]").replace(BASE, base.encode()), str(form)
    return _dressed(_answer(request, body, media_type), warnings)


async def _found(request: Request, asked: Asked) -> Page:
    if asked.query.limit == 0:
        return Page((), 0)
    return await services_of(request).search.find(asked.query)


def _remarks(asked: Asked, page: Page) -> list[str]:
    """What the client must know about the answer (Q-12, Q-17, Q-41)."""
    remarks = list(page.warnings)
    if asked.ignored:
        names = ", ".join(name[:64] for name in asked.ignored[:10])
        remarks.append(f"The following parameters were ignored: {names}")
    if page.remaining > 0:
        remarks.append(f"There are {page.remaining} additional results that can be requested")
    return remarks


def _answer(request: Request, body: bytes, media_type: str) -> Response:
    headers = {"content-type": media_type}
    if len(body) >= compression.SMALLEST and compression.takes_gzip(caching.field(request, b"accept-encoding") or ""):
        body = compression.gzipped(body)
        headers["content-encoding"] = "gzip"
    headers["etag"] = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": headers["etag"]})
    return Response(body, headers=headers)


def _dressed(response: Response, warnings: list[str]) -> Response:
    response.headers["cache-control"] = "private, no-cache"
    response.headers["vary"] = "Accept, Accept-Encoding"
    for text in warnings:
        response.headers.append("warning", text)
    return response
