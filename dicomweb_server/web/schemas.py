"""The schemas of what the operations API answers and takes (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import Any

from dicomweb_server.model.collections import Action, Phase
from dicomweb_server.model.states import State

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

_DATA_SET = {"type": "object", "description": "A data set in the DICOM JSON model (PS3.18 F)"}
_MEMBER = {"study": _TEXT, "time_point": _TEXT, "position": {"type": "integer"}}
_BY_STATE = {"state": _STATE, "instances_by_state": _COUNTED["instances_by_state"]}
_COLLECTION = {
    "id": _TEXT,
    "action": {"enum": list(Action)},
    "phase": {"enum": list(Phase)},
    "reason": _TEXT,
    "requested": _NUMBER,
    "ended": {"type": ["number", "null"]},
}

COLLECTIONS: dict[str, Any] = {
    "CollectionRequest": {
        "type": "object",
        "description": "Exactly one of patient, studies, collection, manifest and manifest_url says what it is.",
        "properties": {
            "patient": {"type": "object", "properties": {"id": _TEXT, "issuer": _TEXT}, "required": ["id"]},
            "studies": {"type": "array", "items": _TEXT, "minItems": 1},
            "collection": {"type": "string", "description": "The studies of another collection"},
            "manifest": {"type": "object"},
            "manifest_url": {"type": "string", "format": "uri"},
            "action": {"enum": list(Action), "default": Action.STORE},
            "notify": {
                "type": "object",
                "properties": {
                    "webhook": {"type": "string", "format": "uri"},
                    "mail": _TEXT,
                    "on": {"type": "array", "items": {"enum": ["ready", "failed"]}},
                },
            },
            "link_seconds": {"type": "integer", "minimum": 1, "maximum": 86400},
        },
        "additionalProperties": False,
    },
    "CollectionTaken": _object(id=_TEXT, phase={"enum": list(Phase)}, progress=_TEXT, events=_TEXT, description=_TEXT),
    "CollectionHead": _object(**_COLLECTION),
    "Collections": _object(collections=_list("CollectionHead")),
    "Collection": _object(**_COLLECTION, **_BY_STATE, studies=_list("CollectionStudy")),
    "CollectionStudy": _object(**_MEMBER, series=_COUNT, **_BY_STATE),
    "CollectionDescription": _object(id=_TEXT, studies=_list("DescribedStudy")),
    "DescribedStudy": _object(**_MEMBER, attributes=_DATA_SET, series={"type": "array", "items": _DATA_SET}),
    "SeriesRecords": _object(
        study=_TEXT,
        series=_TEXT,
        number={"type": ["integer", "null"]},
        slices=_COUNT,
        complete=_FLAG,
        **_BY_STATE,
        images=_list("ImageRecord"),
    ),
    "ImageRecord": _object(
        instance=_TEXT,
        number={"type": ["integer", "null"]},
        frames={"type": ["integer", "null"]},
        state=_STATE,
        here=_FLAG,
        reason=_MAYBE_TEXT,
        thumbnail=_TEXT,
        metadata=_TEXT,
        content=_TEXT,
    ),
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
    **COLLECTIONS,
    "Ids": _object(ids={"type": "array", "items": {"type": "integer"}}),
    "Count": _object(count=_COUNT),
    "Problem": {
        "type": "object",
        "properties": {"error": _TEXT, "detail": _TEXT, "available": {"type": "array", "items": _TEXT}},
        "required": ["error", "detail"],
    },
}
