"""Collections through the operations API: asked for, followed, steered, and described in one piece."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.collections import ENDED, Collection, ImageRecord, Member, Phase, StudyCounts
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import BASE
from dicomweb_server.model.states import State, roll_up
from dicomweb_server.retrieve.arrival import ARRIVING
from dicomweb_server.signals.base import COLLECTIONS, TICKETS
from dicomweb_server.web import address, caching, links, params, problems
from dicomweb_server.web.collection_request import CollectionRules, asked, seconds
from dicomweb_server.web.operating import check_json, json_answer, page_of
from dicomweb_server.web.services import services_of

PATH = "/api/v1/collections"
RETRY_SECONDS = 1
LOOK_SECONDS = 0.5
"""Between two looks at a collection that somebody follows live."""
ALIVE_SECONDS = 15.0
"""A line is sent at least so often, so that nothing on the way takes the stream for dead."""
LONGEST_SECONDS = 3600.0
"""Then the client connects anew."""
MOST_SERIES = 100_000


async def create(request: Request) -> Response:
    """Ask for a collection; it is described and loaded in the background"""
    rules: CollectionRules = request.app.state.collection_rules
    wanted = await asked(request, rules)
    catalog = services_of(request).catalog
    kept = dict(wanted.request)
    if wanted.collection:
        known = await asyncio.to_thread(catalog.collections.get, wanted.collection)
        kept["studies"] = [each.study for each in known.members]
    made = Collection(secrets.token_hex(16), wanted.action, Phase.REQUESTED, kept, time.time())
    await asyncio.to_thread(catalog.collections.create, made, wanted.document)
    await _signal(request, COLLECTIONS)
    body = {"id": made.id, "phase": made.phase, **_links(request, made.id, wanted.link_seconds)}
    headers = {"location": body["progress"], "retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
    return Response(orjson.dumps(body), 202, headers, media_type="application/json")


async def listing(request: Request) -> Response:
    """Collections, the newest first"""
    limit, offset = page_of(request)
    found = await asyncio.to_thread(services_of(request).catalog.collections.listed, limit=limit, offset=offset)
    return json_answer({"collections": [_head(each) for each in found]})


async def progress(request: Request) -> Response:
    """How far along a collection is"""
    catalog = services_of(request).catalog
    found = await asyncio.to_thread(_progress, catalog, _id(request))
    body = orjson.dumps(found)
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"etag": etag, "cache-control": caching.REVALIDATE}
    if found["phase"] not in ENDED:
        headers["retry-after"] = str(RETRY_SECONDS)
    if caching.is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


async def events(request: Request) -> Response:
    """The same live, as server-sent events (WHATWG HTML 9.2), until the collection ends"""
    catalog, id = services_of(request).catalog, _id(request)
    await asyncio.to_thread(catalog.collections.get, id)
    return StreamingResponse(_told(catalog, id), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _told(catalog: Catalog, id: str) -> AsyncIterator[bytes]:
    last, spoken, began = b"", time.monotonic(), time.monotonic()
    while time.monotonic() - began < LONGEST_SECONDS:
        try:
            found = await asyncio.to_thread(_progress, catalog, id)
        except NotFound:
            yield b"event: end\ndata: {}\n\n"
            return
        body = orjson.dumps(found)
        if body != last:
            last, spoken = body, time.monotonic()
            yield b"event: progress\ndata: " + body + b"\n\n"
        if found["phase"] in ENDED:
            yield b"event: end\ndata: " + orjson.dumps({"phase": found["phase"]}) + b"\n\n"
            return
        if time.monotonic() - spoken > ALIVE_SECONDS:
            spoken = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def description(request: Request) -> Response:
    """Every study and series of a collection, described in one answer; 404 until that is known"""
    catalog, id = services_of(request).catalog, _id(request)
    known = await asyncio.to_thread(catalog.collections.get, id)
    if known.phase is Phase.REQUESTED:
        headers = {"retry-after": str(RETRY_SECONDS)}
        return problems.problem(request, 404, "the collection is not described yet", headers=headers)
    if not known.members:
        raise NotFound(f"the collection was never described: {known.reason or known.phase}")
    body = await asyncio.to_thread(_described, catalog, known)
    return json_answer_of(body.replace(BASE, address.public_base(request).encode()), request)


def json_answer_of(body: bytes, request: Request) -> Response:
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"etag": etag, "cache-control": caching.REVALIDATE}
    if caching.is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


async def records(request: Request) -> Response:
    """Each image of a series: its state, and where its picture, metadata and content are had"""
    catalog = services_of(request).catalog
    key = params.series_key(request)
    wish = params.single(request, "links")
    lifetime = None if wish is None else seconds(params.unsigned(wish))
    known = await asyncio.to_thread(catalog.collections.get, _id(request))
    if key.study not in {each.study for each in known.members}:
        raise NotFound(f"study {key.study} is not of this collection")
    found = await asyncio.to_thread(_series_of, catalog, key)
    images = await asyncio.to_thread(catalog.collections.images, key)
    found["images"] = [_image(request, key, each, lifetime) for each in images]
    return json_answer(found)


async def raise_(request: Request) -> Response:
    """Fetch what is announced of a collection before anything but what viewers wait for"""
    pulling = services_of(request).catalog.pulling

    def work(key: StudyKey) -> int:
        missing = [each for each in pulling.missing(key) if each.source and each.state in ARRIVING]
        pulling.want([Ticket(Kind.FETCH, each.key, Band.SERIES) for each in missing])
        return len(missing)

    return await _each_study(request, work)


async def cancel(request: Request) -> Response:
    """End a collection; what is queued of it is only announced again"""
    catalog = services_of(request).catalog
    await asyncio.to_thread(catalog.collections.end, _id(request), Phase.CANCELLED)
    return await _each_study(request, catalog.mending.cancel)


async def requeue(request: Request) -> Response:
    """Describe and load a collection once more"""
    check_json(request)
    if not await asyncio.to_thread(services_of(request).catalog.collections.again, _id(request)):
        raise NotFound(f"no collection {_id(request)[:80]}")
    await _signal(request, COLLECTIONS)
    return json_answer({"count": 1})


async def forget(request: Request) -> Response:
    """Forget the record of a collection; its images stay"""
    if not await asyncio.to_thread(services_of(request).catalog.collections.forget, _id(request)):
        raise NotFound(f"no collection {_id(request)[:80]}")
    return Response(status_code=204)


async def _each_study(request: Request, work: Any) -> Response:
    check_json(request)
    known = await asyncio.to_thread(services_of(request).catalog.collections.get, _id(request))
    count = 0
    for each in known.members:
        count += await asyncio.to_thread(work, StudyKey(each.study, known.tenant))
    await _signal(request, TICKETS)
    return json_answer({"count": count})


async def _signal(request: Request, topic: str) -> None:
    signals = services_of(request).signals
    if signals is not None:
        await asyncio.to_thread(signals.announce, topic)


def _id(request: Request) -> str:
    return str(request.path_params["collection"])


def _links(request: Request, id: str, lifetime: int | None) -> dict[str, str]:
    place = f"{PATH}/{id}"
    return {
        "progress": links.absolute(request, place, seconds=None),
        "events": links.absolute(request, f"{place}/events", seconds=None),
        "description": links.absolute(request, f"{place}/description", seconds=lifetime),
    }


def _head(known: Collection) -> dict[str, Any]:
    return {
        "id": known.id,
        "action": known.action,
        "phase": known.phase,
        "reason": known.reason,
        "requested": known.requested,
        "ended": known.ended,
    }


def _progress(catalog: Catalog, id: str) -> dict[str, Any]:
    known = catalog.collections.get(id)
    counts = catalog.collections.counts(id, known.tenant)
    total: dict[State, int] = {}
    for each in counts:
        for state, count in each.counts.items():
            total[state] = total.get(state, 0) + count
    return {**_head(known), **_counted(total), "studies": [_study(each) for each in counts]}


def _study(found: StudyCounts) -> dict[str, Any]:
    return {**_member(found.member), "series": found.series, **_counted(found.counts)}


def _member(member: Member) -> dict[str, Any]:
    return {"study": member.study, "time_point": member.time_point, "position": member.position}


def _counted(counts: Mapping[State, int]) -> dict[str, Any]:
    return {
        "state": roll_up(counts).name.lower(),
        "instances_by_state": {state.name.lower(): counts.get(state, 0) for state in State},
    }


def _described(catalog: Catalog, known: Collection) -> bytes:
    """References to this server stand for themselves in it, to be put in."""
    studies = []
    for member in known.members:
        wanted = Query(Level.STUDY, keys=(_named(0x0020000D, member.study),), include_all=True, tenant=known.tenant)
        page = catalog.search.find(wanted)
        below = Query(Level.SERIES, study=member.study, include_all=True, limit=MOST_SERIES, tenant=known.tenant)
        series = [orjson.Fragment(match) for match in catalog.search.find(below).matches]
        attributes = orjson.Fragment(page.matches[0]) if page.matches else None
        studies.append({**_member(member), "attributes": attributes, "series": series})
    return orjson.dumps({"id": known.id, "studies": studies})


def _series_of(catalog: Catalog, key: SeriesKey) -> dict[str, Any]:
    """Raises NotFound, Gone."""
    standing = catalog.holdings.series_progress(key)
    return {
        "study": key.study,
        "series": key.series,
        "number": standing.number,
        "slices": sum(standing.counts.values()),
        "complete": standing.document is not None,
        **_counted(standing.counts),
    }


def _named(tag: int, value: str) -> Key:
    return Key((tag,), "UI", Match.SINGLE, (value,))


def _image(request: Request, key: SeriesKey, image: ImageRecord, lifetime: int | None) -> dict[str, Any]:
    place = InstanceKey(key.study, key.series, image.instance, key.tenant)
    root = request.app.state.address_rules.root
    path = f"{root}/studies/{place.study}/series/{place.series}/instances/{place.instance}"
    return {
        "instance": image.instance,
        "number": image.number,
        "frames": image.frames,
        "state": image.state.name.lower(),
        "here": image.here,
        "reason": image.reason,
        "thumbnail": links.absolute(request, f"{path}/thumbnail", seconds=lifetime),
        "metadata": links.absolute(request, f"{path}/metadata", seconds=lifetime),
        "content": links.absolute(request, path, seconds=lifetime),
    }
