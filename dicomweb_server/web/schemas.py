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
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
STATE = {"type": "string", "enum": [state.name.lower() for state in State]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _said(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "description": text}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_TIME = {"type": ["number", "null"]}
_COUNTED = {
    "state": _said("That of the slowest instance; failed only where all failed", STATE),
    "complete_with_failures": _said("Nothing is on its way any more, and some of it failed", _FLAG),
    "instances_by_state": _object(**{state.name.lower(): _COUNT for state in State}),
}
_NEXT = _said(
    "When the next attempt may begin (Unix time, 0 at once); null: nothing waits to be done, or somebody is at it",
    _TIME,
)
_TROUBLED = {
    "attempts": _said("The most that one of its instances took", _COUNT),
    "reasons": _said("Why instances failed or have no picture, and how many", _list("Reason")),
    "next_attempt": _NEXT,
}
_SERIES = {
    "study": _TEXT,
    "series": _TEXT,
    "number": _said("Its Series Number", {"type": ["integer", "null"]}),
    **_COUNTED,
    **_TROUBLED,
    "complete": _said("Nothing more is expected, and its metadata is one document", _FLAG),
    "slices": _said("Instances of it, once it is complete", {"type": ["integer", "null"]}),
    "representative": _said("SOP Instance UID of the image that stands for it", _MAYBE_TEXT),
    "pushed": _said("Some of it was pushed here, so that it is complete when it is quiet", _FLAG),
    "last_arrival": _said("Unix time", _NUMBER),
}

_DATA_SET = {"type": "object", "description": "A data set in the DICOM JSON model (PS3.18 F)"}
_MEMBER = {"study": _TEXT, "time_point": _TEXT, "position": {"type": "integer"}}
_BY_STATE = {"state": STATE, "instances_by_state": _COUNTED["instances_by_state"]}
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
        state=STATE,
        here=_FLAG,
        reason=_MAYBE_TEXT,
        thumbnail=_TEXT,
        metadata=_TEXT,
        content=_TEXT,
    ),
}

SCHEMAS: dict[str, Any] = {
    "Status": _object(
        version=_TEXT,
        dicomweb=_said("Path of the DICOMweb service", _TEXT),
        viewer=_said("Whether a viewer is installed", _FLAG),
        totals=_said("Studies, series and instances, and how many are in each state", _COUNTS),
    ),
    "Study": _object(
        study=_TEXT,
        **_COUNTED,
        **_TROUBLED,
        representative=_said(
            "The image that stands for it",
            {"oneOf": [_object(series=_TEXT, instance=_TEXT), {"type": "null"}]},
        ),
        series=_list("Series"),
    ),
    "Reason": _object(reason=_TEXT, instances=_COUNT),
    "Instances": _object(instances=_list("Instance")),
    "Series": _object(**_SERIES),
    "SeriesInstances": _object(**_SERIES, instances=_list("Instance")),
    "Instance": _object(
        study=_TEXT,
        series=_TEXT,
        instance=_TEXT,
        state=STATE,
        here=_said("There is content to be served", _FLAG),
        attempts=_said("Of what was last to be done of it", _COUNT),
        reason=_said("Why that failed, or why it has no picture", _MAYBE_TEXT),
        source=_said("Which source announced it; null where it was pushed", _MAYBE_TEXT),
        next_attempt=_NEXT,
    ),
    "Queue": _object(
        waiting=_said("Tickets that could be taken now, by priority band", _COUNTS),
        delayed=_said("Tickets that wait for their time", _COUNT),
        leased=_said("Tickets that somebody works on", _COUNT),
        dead=_said("Tickets that were given up", _COUNT),
        oldest_seconds=_said("Age of the oldest that could be taken now", _NUMBER),
    ),
    "DeadLetter": _object(
        id={"type": ["integer", "string"]},
        kind=_TEXT,
        study=_TEXT,
        series=_MAYBE_TEXT,
        instance=_MAYBE_TEXT,
        attempts=_COUNT,
        reason=_TEXT,
        died=_said("Unix time", _NUMBER),
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
