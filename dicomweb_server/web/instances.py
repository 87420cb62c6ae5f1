"""WADO-RS: whole instances, and all bulk values of a study, series or instance (W-01 to W-07, W-41, W-42)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.rewrite import explicit_le
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM
from dicomweb_server.model.errors import NotAcceptable, NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.retrieve.shelf import Held, Shelf
from dicomweb_server.retrieve.transcoded import can_give
from dicomweb_server.web import accept, address, body, caching, multipart, params, transcoding, wado
from dicomweb_server.web.accept import DICOM, Accepted, Form
from dicomweb_server.web.body import Headers, Made, Piece, Stored
from dicomweb_server.web.headers import warning
from dicomweb_server.web.services import services_of

MADE_BEFORE = 16
"""Up to so many instances are transcoded before the first byte leaves; what fails is then told by 206 (C-33)."""
BLOCK = 1 << 20
"""Bytes of a rewritten file sent at once."""


async def retrieve(request: Request) -> ASGIApp:
    """GET a study, series or instance"""
    wanted = wado.accepted(request)
    scope = params.scope_key(request)
    if not any(each.takes(DICOM) for each in wanted.ranges):
        return await _bulk(request, wanted, pixels_only=False)  # W-05
    held = await services_of(request).shelf.instances(scope)
    alone = isinstance(scope, InstanceKey)
    few = len(held) <= MADE_BEFORE
    chosen = [(each, await transcoding.instance(request, each, wanted, alone=alone, make=few)) for each in held]
    given = [(each, form) for each, form in chosen if form is not None]
    if not given:
        first = held[0].syntax
        raise NotAcceptable(
            f"stored as {first.uid} and cannot be given in any accepted form",
            available=accept.instance_available(first, can_give(first)),
        )
    return await _instances(request, given, missing=len(held) - len(given))


async def single(request: Request, held: Held, wanted: Accepted) -> ASGIApp:
    """One instance alone. Raises NotAcceptable."""
    form = await transcoding.instance(request, held, wanted, alone=True, make=True)
    if form is None:
        raise NotAcceptable(
            f"stored as {held.syntax.uid} and cannot be given in the transfer syntax asked for",
            available=accept.instance_available(held.syntax, can_give(held.syntax)),
        )
    return await _instances(request, [(held, form)], missing=0)


async def _instances(request: Request, given: Sequence[tuple[Held, Form]], *, missing: int) -> ASGIApp:
    base = address.public_base(request)
    representation = " ".join(
        [base, *(f"{held.version.version}:{form.label}:{form.multipart}" for held, form in given)]
    )
    etag = f'"{multipart.boundary_of(representation)[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    first = given[0][1]
    if not first.multipart:
        held, form = given[0]
        return body.answer(
            request,
            [await _file(request, held, form, alone=True)],
            content_type=form.label,
            etag=etag,
            cache=caching.REVALIDATE,
        )
    boundary = multipart.boundary_of(representation)
    alone = len(given) == 1
    parts = [
        (form.label, wado.instance_url(base, held.key), [await _file(request, held, form, alone=alone)])
        for held, form in given
    ]
    more: Headers = []
    if missing:
        more = body.headers(warning=warning(base, f"{missing} instances cannot be given in any accepted form"))
    syntaxes = {form.syntax for _, form in given}
    found = body.answer(
        request,
        multipart.related(boundary, parts),
        content_type=multipart.outer(DICOM, boundary, syntax=syntaxes.pop() if len(syntaxes) == 1 else None),
        etag=etag,
        cache=caching.REVALIDATE,
        more=more,
    )
    return found if not missing else _partial(found)


def _partial(found: ASGIApp) -> ASGIApp:
    """206: some, but not all, of the target (W-03, C-33)."""
    assert isinstance(found, body.Answer)
    return body.Answer(206 if found.status == 200 else found.status, found.headers, found.pieces, found.part)


async def _file(request: Request, held: Held, form: Form, *, alone: bool) -> Piece:
    """The file as stored; implicit VR, big endian and deflated ones as Explicit VR Little Endian (C-07, C-31).

    Pixels are transcoded where the form is another one (W-04). Of several, what has to be made is made when it is
    reached: the first byte need not wait for all of them.
    """
    services = services_of(request)
    if transcoding.is_transcoded(held, form):
        return await transcoding.file(request, held, form, now=alone)
    if held.syntax.servable:
        return Stored(services.objects, held.version.object_key, wado.whole(held))
    size = None
    if alone:
        async with services.shelf.source(held) as source:
            size = (await asyncio.to_thread(explicit_le, source)).size
    return Made(size, partial(_rewritten, services.shelf, held))


async def _rewritten(shelf: Shelf, held: Held) -> AsyncIterator[bytes]:
    async with shelf.source(held) as source:
        blocks = iter(await asyncio.to_thread(explicit_le, source))
        while block := await asyncio.to_thread(_joined, blocks):
            yield block


def _joined(blocks: Iterator[bytes]) -> bytes:
    """The next of them, about a megabyte, so that small ones cost no message each; empty at the end."""
    found: list[bytes] = []
    size = 0
    for block in blocks:
        found.append(block)
        size += len(block)
        if size >= BLOCK:
            break
    return found[0] if len(found) == 1 else b"".join(found)


async def bulkdata(request: Request) -> ASGIApp:
    """GET …/bulkdata of a study, series or instance: every bulk value"""
    return await _bulk(request, wado.accepted(request), pixels_only=False)


async def pixeldata(request: Request) -> ASGIApp:
    """GET …/pixeldata of a study, series or instance"""
    return await _bulk(request, wado.accepted(request), pixels_only=True)


async def _bulk(request: Request, wanted: Accepted, *, pixels_only: bool) -> ASGIApp:
    """One part for each value, one for each frame of compressed pixel data (T-05)."""
    scope = params.scope_key(request)
    base = address.public_base(request)
    reading = services_of(request).bulkdata
    parts: list[tuple[str, str, Sequence[Piece]]] = []
    names = [base]
    refused = 0
    for held in await services_of(request).shelf.instances(scope):
        for found in await reading.all(held, pixels_only=pixels_only):
            location = wado.bulk_url(base, found)
            if found.value.encapsulated and found.pixels:
                try:
                    form = await transcoding.pixels(request, held, wanted, parts=2)
                except NotAcceptable:
                    refused += 1
                    continue
                label = form.label
                payloads = await wado.frame_payloads(request, held, form)
            else:
                if not any(each.takes(OCTET_STREAM) and each.multipart for each in wanted.ranges):
                    refused += 1
                    continue
                label = f"{OCTET_STREAM}; transfer-syntax={EXPLICIT_LE}" if found.pixels else OCTET_STREAM
                payloads = [[await wado.value_piece(request, found)]]
            parts.extend((label, location, payload) for payload in payloads)
            names.append(f"{held.version.version}{found.path}{label}")
    if not parts:
        if refused:
            raise NotAcceptable(
                "nothing can be given in any accepted form", available=(f'{accept.MULTIPART}; type="*/*"',)
            )
        raise NotFound("there is no bulk data")
    representation = " ".join(names)
    boundary = multipart.boundary_of(representation)
    etag = f'"{boundary[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.IMMUTABLE)
    media_type = parts[0][0].partition(";")[0]
    more = body.headers(warning=warning(base, f"{refused} values cannot be given")) if refused else []
    found_answer = body.answer(
        request,
        multipart.related(boundary, parts),
        content_type=multipart.outer(media_type, boundary),
        etag=etag,
        cache=caching.IMMUTABLE,
        more=more,
    )
    return _partial(found_answer) if refused else found_answer
