"""The OpenAPI description of the operations API, made from its table (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dicomweb_server import __version__
from dicomweb_server.model.states import State

if TYPE_CHECKING:
    from dicomweb_server.web.api import Operation

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_STATE = {"type": "string", "enum": [state.name.lower() for state in State]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_COUNTED = {
    "state": _STATE,
    "complete_with_failures": _FLAG,
    "instances_by_state": _object(**{state.name.lower(): _COUNT for state in State}),
}
_SERIES = {
    "study": _TEXT,
    "series": _TEXT,
    **_COUNTED,
    "complete": _FLAG,
    "pushed": _FLAG,
    "last_arrival": _NUMBER,
}

SCHEMAS: dict[str, Any] = {
    "Study": _object(study=_TEXT, **_COUNTED, series=_list("Series")),
    "Series": _object(**_SERIES),
    "SeriesInstances": _object(**_SERIES, instances=_list("Instance")),
    "Instance": _object(
        study=_TEXT,
        series=_TEXT,
        instance=_TEXT,
        state=_STATE,
        here=_FLAG,
        attempts=_COUNT,
        reason=_MAYBE_TEXT,
        source=_MAYBE_TEXT,
        next_attempt={"type": ["number", "null"]},
    ),
    "Queue": _object(
        waiting={"type": "object", "additionalProperties": _COUNT},
        delayed=_COUNT,
        leased=_COUNT,
        dead=_COUNT,
        oldest_seconds=_NUMBER,
    ),
    "DeadLetter": _object(
        id={"type": ["integer", "string"]},
        kind=_TEXT,
        study=_TEXT,
        series=_MAYBE_TEXT,
        instance=_MAYBE_TEXT,
        attempts=_COUNT,
        reason=_TEXT,
        died=_NUMBER,
    ),
    "DeadLetters": _object(dead_letters=_list("DeadLetter")),
    "Ids": _object(ids={"type": "array", "items": {"type": "integer"}}),
    "Count": _object(count=_COUNT),
    "Problem": {
        "type": "object",
        "properties": {"error": _TEXT, "detail": _TEXT, "available": {"type": "array", "items": _TEXT}},
        "required": ["error", "detail"],
    },
}


def document(operations: Mapping[str, Mapping[str, Operation]]) -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "dicomweb-server operations", "version": __version__},
        "paths": {path: _path(path, methods) for path, methods in operations.items()},
        "components": {"schemas": SCHEMAS},
    }


def _path(path: str, methods: Mapping[str, Operation]) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    found: dict[str, Any] = {method.lower(): _method(each) for method, each in methods.items()}
    if names:
        found["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    return found


def _method(each: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": each.summary,
        "responses": {"200": _answer(each.answer, "Done"), "4XX": _answer("Problem", "What is wrong")},
    }
    if each.paged:
        found["parameters"] = [{"name": name, "in": "query", "schema": _COUNT} for name in ("limit", "offset")]
    if each.body:
        found["requestBody"] = {"required": True, "content": _content(each.body)}
    return found


def _answer(schema: str, text: str) -> dict[str, Any]:
    return {"description": text, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
