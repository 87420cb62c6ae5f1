"""The operations API at ``/api/v1``: how far along everything is, what waits, what was given up (design 2).

Answers are JSON, times Unix seconds. What changes something is a POST of ``application/json``, which no page of another
origin can send unasked. ``openapi.json`` describes all of it and is made from the same table as the routes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.states import State
from dicomweb_server.queues.base import DeadLetter
from dicomweb_server.retrieve import standing
from dicomweb_server.signals.base import TICKETS
from dicomweb_server.web import collections, openapi, operations, params, steering
from dicomweb_server.web.openapi import Operation
from dicomweb_server.web.operating import check_json, json_answer, page_of, queue_of
from dicomweb_server.web.resource import Handler
from dicomweb_server.web.services import services_of

LONGEST = 1 << 20
"""Bytes of a request body."""


def table() -> dict[str, dict[str, Handler]]:
    """Path -> method -> handler."""
    return {
        "/api/v1/openapi.json": {"GET": description},
        **{path: {method: each.handler for method, each in methods.items()} for path, methods in OPERATIONS.items()},
    }


async def description(request: Request) -> Response:
    """GET /api/v1/openapi.json"""
    return json_answer(openapi.document(OPERATIONS))


async def study(request: Request) -> Response:
    """Counts, states and reasons of a study and of its series"""
    return json_answer(await asyncio.to_thread(standing.of_study, _catalog(request), params.study_key(request)))


async def series(request: Request) -> Response:
    """The same of a series, and the state of each of its instances"""
    limit, offset = page_of(request)
    key = params.series_key(request)
    return json_answer(await asyncio.to_thread(standing.of_series, _catalog(request), key, limit=limit, offset=offset))


async def instance(request: Request) -> Response:
    """The state of one instance"""
    return json_answer(await asyncio.to_thread(standing.of_instance, _catalog(request), params.instance_key(request)))


async def instances(request: Request) -> Response:
    """Instances of all studies in one state, the failed ones where none is named"""
    limit, offset = page_of(request)
    wanted = params.single(request, "state")
    name = wanted.value.upper() if wanted is not None else State.FAILED.name
    if name not in State.__members__:
        raise BadRequest(f"state is one of {', '.join(state.name.lower() for state in State)}")
    found = await asyncio.to_thread(standing.in_state, _catalog(request), State[name], limit=limit, offset=offset)
    return json_answer({"instances": found})


async def queue(request: Request) -> Response:
    """What waits to be done"""
    stats = await asyncio.to_thread(queue_of(request).stats)
    return json_answer(
        {
            "waiting": {band.value: count for band, count in stats.waiting.items()},
            "delayed": stats.delayed,
            "leased": stats.leased,
            "dead": stats.dead,
            "oldest_seconds": stats.oldest_seconds,
        }
    )


async def dead_letters(request: Request) -> Response:
    """Tickets that were given up, with their reasons"""
    limit, offset = page_of(request)
    found = await asyncio.to_thread(queue_of(request).dead_letters, limit=limit, offset=offset)
    return json_answer({"dead_letters": [_letter(each) for each in found]})


async def requeue(request: Request) -> Response:
    """Send dead letters again"""
    ids = await _ids(request)
    count = await asyncio.to_thread(queue_of(request).redrive, ids)
    signals = services_of(request).signals
    if signals is not None:
        await asyncio.to_thread(signals.announce, TICKETS)
    return json_answer({"count": count})


async def drop(request: Request) -> Response:
    """Forget dead letters"""
    return json_answer({"count": await asyncio.to_thread(queue_of(request).drop, await _ids(request))})


_STUDY = "/api/v1/studies/{study}"
_SERIES_PATH = _STUDY + "/series/{series}"
_COLLECTION = collections.PATH + "/{collection}"
_INSTANCE_PATH = _SERIES_PATH + "/instances/{instance}"

OPERATIONS: dict[str, dict[str, Operation]] = {
    "/api/v1/status": {"GET": Operation(operations.status, "How much is here, and how far along it is", "Status")},
    "/api/v1/instances": {
        "GET": Operation(instances, "Instances in one state, of all studies", "Instances", paged=True, state=True)
    },
    _STUDY: {"GET": Operation(study, "How far along a study is", "Study")},
    _SERIES_PATH: {"GET": Operation(series, "How far along a series is", "SeriesInstances", paged=True)},
    _INSTANCE_PATH: {"GET": Operation(instance, "How far along an instance is", "Instance")},
    **{
        f"{path}/{verb}": {"POST": Operation(handler, text, "Count")}
        for path in (_STUDY, _SERIES_PATH, _INSTANCE_PATH)
        for verb, handler, text in (
            ("raise", steering.raise_, "Fetch it before anything else"),
            ("cancel", steering.cancel, "Do not fetch it now"),
            ("requeue", steering.retry, "Work once more on what failed of it"),
        )
    },
    f"{_STUDY}/reindex": {"POST": Operation(steering.reindex, "Derive everything of it anew from its files", "Count")},
    collections.PATH: {
        "GET": Operation(collections.listing, "Collections, the newest first", "Collections", paged=True),
        "POST": Operation(collections.create, "Ask for one", "CollectionTaken", body="CollectionRequest", status=202),
    },
    _COLLECTION: {
        "GET": Operation(collections.progress, "How far along a collection is", "Collection"),
        "DELETE": Operation(collections.forget, "Forget it; its images stay", "", status=204),
    },
    f"{_COLLECTION}/events": {
        "GET": Operation(collections.events, "The same live, until it ends", "", media_type="text/event-stream")
    },
    f"{_COLLECTION}/description": {
        "GET": Operation(collections.description, "All of its studies and series, described", "CollectionDescription")
    },
    f"{_COLLECTION}/studies/{{study}}/series/{{series}}": {
        "GET": Operation(collections.records, "Each image of a series of it", "SeriesRecords")
    },
    **{
        f"{_COLLECTION}/{verb}": {"POST": Operation(handler, text, "Count")}
        for verb, handler, text in (
            ("raise", collections.raise_, "Fetch it before what nobody waits for"),
            ("cancel", collections.cancel, "End it; what is queued of it is not fetched now"),
            ("requeue", collections.requeue, "Describe and load it once more"),
        )
    },
    "/api/v1/queue": {"GET": Operation(queue, "What waits to be done", "Queue")},
    "/api/v1/dead-letters": {"GET": Operation(dead_letters, "Tickets that were given up", "DeadLetters", paged=True)},
    "/api/v1/dead-letters/requeue": {"POST": Operation(requeue, "Send dead letters again", "Count", body="Ids")},
    "/api/v1/dead-letters/drop": {"POST": Operation(drop, "Forget dead letters", "Count", body="Ids")},
}


async def _ids(request: Request) -> list[int | str]:
    check_json(request)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST:
            raise BadRequest(f"the body may have {LONGEST} bytes")
    try:
        ids = orjson.loads(body)["ids"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadRequest('the body must be {"ids": [...]}') from None
    if not isinstance(ids, list) or not all(isinstance(each, int) and abs(each) < 1 << 63 for each in ids):
        raise BadRequest("ids are the numbers of the list of dead letters")
    return list(ids)


def _catalog(request: Request) -> Catalog:
    return services_of(request).catalog


def _letter(letter: DeadLetter) -> dict[str, Any]:
    key: StudyKey | SeriesKey | InstanceKey = letter.ticket.key
    return {
        "id": letter.id,
        "kind": letter.ticket.kind.value,
        "study": key.study,
        "series": getattr(key, "series", None),
        "instance": getattr(key, "instance", None),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "died": letter.died,
    }
