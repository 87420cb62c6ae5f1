"""The address under which clients know this server: configured, else from the request (C-13)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Scope

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.web import caching

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_BARE_ADDRESS = re.compile(r"localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    root: str = "/dicomweb"
    """Where the DICOMweb service lies on this server."""

    public_base: str | None = None
    """The whole public base URI of the service, when configured: nothing of the request is looked at then."""

    trusted_proxies: tuple[Network, ...] = field(default=())
    """Peers whose ``Forwarded`` and ``X-Forwarded-*`` are believed."""


def public_base(request: Request) -> str:
    """The base URI of the DICOMweb service as this client should see it, without a slash at the end.

    Raises BadRequest when the Host header is no host name.
    """
    rules: AddressRules = request.app.state.address_rules
    if rules.public_base is not None:
        return rules.public_base
    scheme, prefix = request.scope.get("scheme", "http"), ""
    host = _host_of(caching.field(request, b"host"), request.scope.get("server") or ("localhost", None))
    if _is_trusted(request, rules):
        scheme, host, prefix = _forwarded(request, scheme, host)
    return _base(scheme, host, prefix, rules.root)


def origin(request: Request) -> str:
    """The base URI of everything on this server, without a slash at the end. Raises BadRequest."""
    rules: AddressRules = request.app.state.address_rules
    return public_base(request).removesuffix(rules.root)


def peer(scope: Scope, rules: AddressRules) -> str:
    """The address of who asks, as the nearest trusted proxy has it; empty where it is not known."""
    request = Request(scope)
    own = request.client.host if request.client else ""
    if not _is_trusted(request, rules):
        return own
    return _nearest(request).get("for") or _last(request, "x-forwarded-for") or own


def scheme(request: Request) -> str:
    """By which the client asked, as the nearest trusted proxy has it: ``http`` or ``https``."""
    rules: AddressRules = request.app.state.address_rules
    own = str(request.scope.get("scheme", "http"))
    return _forwarded(request, own, "")[0] if _is_trusted(request, rules) else own


def is_private(request: Request) -> bool:
    """Whether nobody on the way can read what the client sends: it comes by TLS, or from this machine itself."""
    rules: AddressRules = request.app.state.address_rules
    if scheme(request) == "https":
        return True
    try:
        return ipaddress.ip_address(request.scope["client"][0]).is_loopback and not _is_trusted(request, rules)
    except (KeyError, TypeError, ValueError):
        return False


@lru_cache(maxsize=256)
def _base(scheme: str, host: str, prefix: str, root: str) -> str:
    if not _HOST.fullmatch(host) or scheme not in ("http", "https") or not _PREFIX.fullmatch(prefix):
        raise BadRequest("the Host header is no host name")
    return f"{scheme}://{host}{prefix}{root}"


@lru_cache(maxsize=256)
def _host_of(header: str | None, server: tuple[str | None, int | None]) -> str:
    """The Host header. An address of this machine without a port gets ours: Python's dicomweb-client leaves it out."""
    name, port = server
    host = header if header is not None else name or "localhost"
    if port in (None, 80, 443) or not _BARE_ADDRESS.fullmatch(host):
        return host
    return f"{host}:{port}"


def _is_trusted(request: Request, rules: AddressRules) -> bool:
    client = request.scope.get("client")
    if not rules.trusted_proxies or client is None:
        return False
    try:
        peer = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    return any(peer in network for network in rules.trusted_proxies)


def _forwarded(request: Request, scheme: str, host: str) -> tuple[str, str, str]:
    """Scheme, host and path prefix as the nearest proxy reports them (RFC 7239, and the older headers)."""
    named = _nearest(request)
    scheme = named.get("proto") or _last(request, "x-forwarded-proto") or scheme
    host = named.get("host") or _last(request, "x-forwarded-host") or host
    return scheme.lower(), host, _last(request, "x-forwarded-prefix").rstrip("/")


def _nearest(request: Request) -> dict[str, str]:
    """What the last element of ``Forwarded`` names."""
    nearest = request.headers.get("forwarded", "").split(",")[-1]
    pairs = (pair.partition("=") for pair in nearest.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _last(request: Request, name: str) -> str:
    return request.headers.get(name, "").split(",")[-1].strip()
