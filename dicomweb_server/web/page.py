"""The page at ``/``: what is here, and the way to the viewer."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.web import files

_FOLDER = Path(__file__).parent / "static"
_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'self'; base-uri 'none'",
    "referrer-policy": "no-referrer",
}


async def index(request: Request) -> Response:
    """GET /"""
    return await files.served(request, _FOLDER, "index.html", _HEADERS)


async def part(request: Request) -> Response:
    """GET /page/{name}"""
    return await files.served(request, _FOLDER, request.path_params["name"], _HEADERS)
