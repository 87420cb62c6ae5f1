"""Signed links: a path of this server that needs no further credentials until it expires.

``/signed/EXPIRES/SIGNATURE/PATH`` answers as ``PATH`` does, for GET and HEAD. The signature covers the time, the path
and the query, so none of them can be changed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.model.errors import Forbidden, Gone
from dicomweb_server.web import address

PREFIX = "/signed"
LONGEST_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Links:
    key: bytes = field(repr=False)
    seconds: int = 3600
    """How long a link is good where nothing else was asked for."""
    now: Callable[[], float] = time.time

    def sign(self, path: str, seconds: int | None = None) -> str:
        """``path`` (with its query, if any) as a link that is good for so long, at most a day."""
        expires = int(self.now()) + min(self.seconds if seconds is None else seconds, LONGEST_SECONDS)
        return f"{PREFIX}/{expires}/{self._signature(expires, path)}{path}"

    def check(self, expires: str, signature: str, path: str) -> None:
        """Raises Forbidden for what was not signed here, Gone for what is over."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 15):
            raise Forbidden("this link was not signed here")
        if not hmac.compare_digest(self._signature(int(expires), path), signature):
            raise Forbidden("this link was not signed here")
        if int(expires) < self.now():
            raise Gone("this link has expired")

    def _signature(self, expires: int, path: str) -> str:
        return hmac.new(self.key, f"{expires}\n{path}".encode(), hashlib.sha256).hexdigest()


def links_of(request: Request) -> Links:
    found: Links = request.app.state.links
    return found


def absolute(request: Request, path: str, *, seconds: int | None) -> str:
    """The address of ``path`` for this client, signed where ``seconds`` are given."""
    return f"{address.origin(request)}{path if seconds is None else links_of(request).sign(path, seconds)}"


async def follow(request: Request) -> ASGIApp:
    """What a signed link stands for"""
    names = request.path_params
    path = f"/{names['path']}"
    query = request.scope.get("query_string", b"").decode("latin-1")
    links_of(request).check(names["expires"], names["signature"], f"{path}?{query}" if query else path)
    router: ASGIApp = request.app.router

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        left_out = ("path_params", "endpoint", "router")
        kept = {name: value for name, value in scope.items() if name not in left_out}
        await router({**kept, "path": path, "raw_path": path.encode()}, receive, send)

    return inner
