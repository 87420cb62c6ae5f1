"""CORS: which other origins' pages may use this server (H-01 to H-05).

A viewer on another origin precedes every frame with its own ``OPTIONS``, so a preflight is answered here, before
routing, without authentication or database. An ``OPTIONS`` that is no preflight goes on to the capabilities (K-02).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

ANY = "*"
LOOPBACK = "loopback"

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED_HEADERS = (
    b"Accept, Authorization, Content-Type, Range, If-None-Match, If-Modified-Since, If-Match, "
    b"Cache-Control, X-Requested-With"
)
_EXPOSED = (
    b"Content-Type, Content-Length, Content-Range, Content-Location, Accept-Ranges, ETag, Location, Warning, "
    b"WWW-Authenticate, Retry-After, X-Request-Id"
)
_LOOPBACK_ORIGIN = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRules:
    origins: tuple[str, ...] = (LOOPBACK,)
    """Exact origins (``https://viewer.example``), ``loopback`` for pages served from this machine, ``*`` for all."""

    credentials: bool = False
    """Whether cookies and client certificates may come along; never for ``*`` (H-03)."""

    private_network: bool = False
    """Whether a public page may reach this server on a private network (H-05)."""

    max_age_seconds: int = 86400

    def allow(self, origin: bytes) -> bool:
        if ANY in self.origins or origin.decode("latin-1") in self.origins:
            return True
        return LOOPBACK in self.origins and _LOOPBACK_ORIGIN.fullmatch(origin) is not None

    def grant(self, origin: bytes) -> list[Header]:
        """The headers that let a page of ``origin`` read an answer; none when it may not."""
        if not self.allow(origin):
            return []
        listed = ANY not in self.origins
        granted = [
            (b"access-control-allow-origin", origin if listed else b"*"),
            (b"access-control-expose-headers", _EXPOSED),
        ]
        if self.credentials and listed:
            granted.append((b"access-control-allow-credentials", b"true"))
        return granted


class Cors:
    """Pure ASGI: answers preflights, and marks every other answer, errors as well."""

    def __init__(self, app: ASGIApp, *, rules: CorsRules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: list[Header] = scope["headers"]
        origin = _first(headers, b"origin")
        if origin is not None and scope["method"] == "OPTIONS" and _first(headers, b"access-control-request-method"):
            await self._preflight(origin, headers, send)
            return
        granted = self.rules.grant(origin) if origin is not None else []

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*varied_by_origin(message.get("headers", ())), *granted]
            await send(message)

        await self.app(scope, receive, marked)

    async def _preflight(self, origin: bytes, headers: list[Header], send: Send) -> None:
        answer = [(b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")]
        granted = self.rules.grant(origin)
        if granted:
            answer += granted
            answer += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", b"%d" % self.rules.max_age_seconds),
            ]
            if self.rules.private_network and _first(headers, b"access-control-request-private-network") == b"true":
                answer.append((b"access-control-allow-private-network", b"true"))
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b""})


def varied_by_origin(headers: list[Header] | tuple[Header, ...]) -> list[Header]:
    """``headers`` with ``Origin`` in Vary: what a cache keeps for one origin must not go to another (H-11)."""
    varied = list(headers)
    for place, (name, value) in enumerate(varied):
        if name == b"vary":
            if b"origin" not in value.lower():
                varied[place] = (name, value + b", Origin")
            return varied
    varied.append((b"vary", b"Origin"))
    return varied


def _first(headers: list[Header], name: bytes) -> bytes | None:
    return next((value for found, value in headers if found == name), None)
