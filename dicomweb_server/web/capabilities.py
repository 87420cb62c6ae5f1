"""What this service can do, made from its own route table (K-01 to K-05; PS3.18 8.9): as WADL or as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import orjson
from pydicom.datadict import keyword_for_tag
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dicomweb_server.dicom.rendering.media import IMAGES, REPORTS
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, MEDIA_TYPES, OCTET_STREAM, TARGETS
from dicomweb_server.web import address, datasets, rendered_request, stow, thumbnails, wado_uri
from dicomweb_server.web.accept import DICOM, ZIP
from dicomweb_server.web.mediatypes import content_type
from dicomweb_server.web.resource import Resource

WADL = "application/vnd.sun.wadl+xml"
_JSON = "application/json"

_STUDY_KEYS = (
    0x00080020,
    0x00080030,
    0x00080050,
    0x00080061,
    0x00080090,
    0x00100010,
    0x00100020,
    0x0020000D,
    0x00200010,
)
_SERIES_KEYS = (0x00080060, 0x0020000E, 0x00200011, 0x00400244, 0x00400245)
_INSTANCE_KEYS = (0x00080016, 0x00080018, 0x00200013)
_CONTROLS = (
    "limit",
    "offset",
    "includefield",
    "fuzzymatching",
    "emptyvaluematching",
    "multiplevaluematching",
    "TimezoneOffsetFromUTC",
)
_SEARCHES = {
    "/studies": _STUDY_KEYS,
    "/studies/{study}/series": _SERIES_KEYS,
    "/studies/{study}/instances": _SERIES_KEYS + _INSTANCE_KEYS,
    "/studies/{study}/series/{series}/instances": _INSTANCE_KEYS,
    "/series": _STUDY_KEYS + _SERIES_KEYS,
    "/instances": _STUDY_KEYS + _SERIES_KEYS + _INSTANCE_KEYS,
}
"""The required matching keys of each search (Q-02); every other attribute of the level may be named as well."""


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    query: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


async def answer(request: Request) -> Response:
    """OPTIONS on the service, GET /capabilities."""
    accepts = request.headers.get("accept", "*/*").split(",")
    kinds = [kind.kind for kind in map(content_type, accepts) if kind is not None]
    media_type = next((kind for kind in kinds if kind in (WADL, _JSON)), WADL)
    base, root = address.public_base(request), request.app.state.address_rules.root
    resources = _resources(request.app.routes, root)
    body = _wadl(base, resources) if media_type == WADL else _json(base, resources)
    headers = {
        "allow": "GET, HEAD, OPTIONS",
        "cache-control": "no-cache",
        "etag": f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"',
        "vary": "Accept",
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _resources(routes: Sequence[BaseRoute], root: str) -> dict[str, list[Method]]:
    """The methods of each path below ``root``."""
    found = {}
    for route in routes:
        if isinstance(route, Route) and route.path.startswith(root) and isinstance(route.endpoint, Resource):
            path = route.path.removeprefix(root)
            found[path] = [_method(path, name) for name in route.endpoint.handlers]
    return found


def _method(path: str, name: str) -> Method:
    if name == "POST":
        return Method(name, takes=stow.TAKEN, gives=tuple(datasets.STORE))
    if name in ("GET", "HEAD") and path in _SEARCHES:
        keys = [spelling for tag in _SEARCHES[path] for spelling in (keyword_for_tag(tag), f"{tag:08X}")]
        return Method(name, query=(*_CONTROLS, *keys), gives=tuple(datasets.SEARCH))
    if name in ("GET", "HEAD") and path.endswith("/rendered"):
        return Method(name, query=rendered_request.PARAMETERS, gives=(*IMAGES, *REPORTS, "application/pdf"))
    if name in ("GET", "HEAD") and path.endswith("/thumbnail"):
        return Method(name, query=thumbnails.PARAMETERS, gives=IMAGES)
    if name in ("GET", "HEAD") and path.endswith("/metadata"):
        return Method(name, query=("accept",), gives=tuple(datasets.METADATA))
    if name in ("GET", "HEAD") and path.endswith(("/frames/{frames}", "/pixeldata", "/bulkdata", "/{path:path}")):
        return Method(name, query=("accept",), gives=tuple(_pixels()))
    if name in ("GET", "HEAD") and path.startswith("/studies/"):
        return Method(name, query=("accept",), gives=tuple(_files()))
    if name in ("GET", "HEAD") and path in ("", "/wado"):
        return Method(name, query=wado_uri.PARAMETERS, gives=("application/dicom", *IMAGES, *REPORTS))
    return Method(name)


def _pixels() -> Iterator[str]:
    """Media types of pixel data, each with the transfer syntaxes it may come in (T-01)."""
    yield f"{OCTET_STREAM}; transfer-syntax={EXPLICIT_LE}"
    for kind, syntaxes in MEDIA_TYPES.items():
        yield from (f"{kind}; transfer-syntax={syntax}" for syntax in syntaxes)


def _files() -> Iterator[str]:
    """Media types of instances. Those that have to be made are named; as stored they may come in others as well."""
    for syntax in sorted(TARGETS):
        yield f"{DICOM}; transfer-syntax={syntax}"
    yield f"{DICOM}; transfer-syntax=*"
    yield ZIP


def _json(base: str, resources: dict[str, list[Method]]) -> bytes:
    described = [
        {"path": path, "methods": [{field: getattr(method, field) for field in Method.__slots__} for method in methods]}
        for path, methods in resources.items()
    ]
    return orjson.dumps({"base": base, "characterSets": ["utf-8"], "resources": described})


def _wadl(base: str, resources: dict[str, list[Method]]) -> bytes:
    inner = "".join(
        f"<resource path={quoteattr(path)}>{''.join(_wadl_method(method) for method in methods)}</resource>"
        for path, methods in resources.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><application xmlns="http://wadl.dev.java.net/2009/02">'
        f"<resources base={quoteattr(base)}>{inner}</resources></application>"
    ).encode()


def _wadl_method(method: Method) -> str:
    accepted = _parameter("header", "Accept", method.gives) if method.gives else ""
    asked = "".join(_parameter("query", name, ()) for name in method.query)
    taken = "".join(_representations(method.takes))
    given = "".join(_representations(method.gives))
    answers = f'<response status="200">{given}</response>' if given else "<response/>"
    return f'<method name="{method.name}"><request>{accepted}{asked}{taken}</request>{answers}</method>'


def _parameter(style: str, name: str, options: Sequence[str]) -> str:
    inner = "".join(f"<option value={quoteattr(option)}/>" for option in options)
    return f'<param name="{name}" style="{style}">{inner}</param>'


def _representations(kinds: Sequence[str]) -> Iterator[str]:
    return (f"<representation mediaType={quoteattr(kind)}/>" for kind in kinds)
