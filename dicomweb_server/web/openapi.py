"""The OpenAPI description of the operations API, made from its table (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb_server import __version__
from dicomweb_server.web.operating import MOST
from dicomweb_server.web.resource import Handler
from dicomweb_server.web.schemas import SCHEMAS, STATE


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, and what the description says of it."""

    handler: Handler
    summary: str
    answer: str
    """Name of the schema of its answer."""
    paged: bool = False
    state: bool = False
    """Whether it takes the name of a state."""
    body: str = ""
    """Name of the schema of its request body."""
    status: int = 200
    media_type: str = "application/json"
    """Of its answer."""


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def document(operations: Mapping[str, Mapping[str, Operation]]) -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "dicomweb-server operations", "version": __version__},
        "paths": {path: _path(path, methods) for path, methods in operations.items()},
        "components": {"schemas": SCHEMAS, "securitySchemes": _SCHEMES},
        "security": [{}, *({name: []} for name in _SCHEMES)],
    }


_PAGE = (
    _query("limit", "Entries of the answer", {"type": "integer", "minimum": 0, "maximum": MOST, "default": 100}),
    _query("offset", "Entries passed over before", {"type": "integer", "minimum": 0, "default": 0}),
)
_WANTED_STATE = (_query("state", "Which; failed where none is named", STATE),)
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key of the site, where it has any"},
    "password": {"type": "http", "scheme": "basic", "description": "The name of a key and the key, over TLS"},
}


def _path(path: str, methods: Mapping[str, Operation]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    found: dict[str, Any] = {method.lower(): _method(path, method, each) for method, each in methods.items()}
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return found


def _method(path: str, method: str, each: Operation) -> dict[str, Any]:
    words = re.findall(r"[a-z-]+", path.removeprefix("/api/v1"))
    found: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *words]).replace("-", "_"),
        "summary": each.summary,
        "responses": {
            str(each.status): _answer(each.answer, "Done", each.media_type),
            "4XX": _answer("Problem", "What is wrong"),
        },
    }
    parameters = [*(_PAGE if each.paged else ()), *(_WANTED_STATE if each.state else ())]
    if parameters:
        found["parameters"] = parameters
    if each.body:
        found["requestBody"] = {"required": True, "content": _content(each.body)}
    return found


def _answer(schema: str, text: str, media_type: str = "application/json") -> dict[str, Any]:
    if schema:
        return {"description": text, "content": _content(schema)}
    if media_type != "application/json":
        return {"description": text, "content": {media_type: {"schema": {"type": "string"}}}}
    return {"description": text}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
