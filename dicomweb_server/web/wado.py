"""WADO-RS: frames, metadata, instances and bulk data as they are stored (PS3.18 10.4)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM
from dicomweb_server.model.errors import BadRequest, Gone, NotAcceptable, NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import BASE, Span
from dicomweb_server.retrieve.bulkdata import Bulk, Path
from dicomweb_server.retrieve.frames import Frames
from dicomweb_server.retrieve.metadata import etag_of
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import address, body, caching, compression, datasets, multipart, params, transcoding
from dicomweb_server.web.accept import Accepted, Form
from dicomweb_server.web.body import Bytes, Fetched, Piece, Stored
from dicomweb_server.web.headers import warning
from dicomweb_server.web.services import services_of

LONG_FRAME = 64 << 20
"""Bytes of a frame that is read only when its turn in the body comes."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")

_ACTIVE = frozenset({"text/xml", "application/xml"})
DOCUMENTS = _ACTIVE | {"application/pdf", "application/sla", "model/stl", "model/obj", "model/mtl", "image/jpeg"}
"""What encapsulated documents are served as; any other is ``application/octet-stream``."""
_SANDBOX = body.headers(content_security_policy="sandbox; default-src 'none'")
"""An XML document may hold a script."""


def accepted(request: Request) -> Accepted:
    parameter = params.single(request, "accept") if b"accept=" in request.scope["query_string"] else None
    asked = parameter.value if parameter is not None else None
    return Accepted.of(caching.field(request, b"accept"), asked, strict=services_of(request).strict_accept)


async def frames(request: Request) -> ASGIApp:
    """GET …/instances/{instance}/frames/{frames}"""
    return await _looked_up(request, _frames)


async def _looked_up(request: Request, answer: Callable[[Request, bool], Awaitable[ASGIApp]]) -> ASGIApp:
    """The answer by what was true a moment ago; what is not found by that is looked for anew before it is 404.

    It may have been replaced since, or deleted, which is 410.
    """
    if caching.wants_fresh(request):
        return await answer(request, True)
    try:
        return await answer(request, False)
    except Gone:
        raise
    except NotFound:
        return await answer(request, True)


async def _frames(request: Request, fresh: bool) -> ASGIApp:
    key = params.instance_key(request)
    numbers = params.frame_numbers(request)
    wanted = accepted(request)
    reading = services_of(request).frames
    held = await reading.find(key, fresh=fresh)
    reading.check(held, numbers)
    if held.index is not None and held.index.video:
        raise NotAcceptable(
            "a video has no single frames; ask for /pixeldata", available=(f"{key.instance}/pixeldata",)
        )
    form = await transcoding.pixels(request, held, wanted, parts=min(len(numbers), 2), frame=numbers[0])
    where = instance_url(address.public_base(request), key) if form.multipart else ""
    boundary = multipart.boundary_of(
        f"{held.version.version}/frames/{request.path_params['frames']}/{form.label}/{where}"
    )
    etag = f'"{boundary[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.IMMUTABLE)
    if transcoding.is_stored(held, form):
        payloads = [await _frame(reading, held, number, alone=len(numbers) == 1) for number in numbers]
    else:
        payloads = await transcoding.frames(request, held, numbers, form)
    if form.multipart:
        parts = [
            (form.label, f"{where}/frames/{number}", [payload])
            for number, payload in zip(numbers, payloads, strict=True)
        ]
        content_type = multipart.outer(form.media_type, boundary, syntax=form.syntax)
        payloads = multipart.related(boundary, parts)
    else:
        content_type = form.label
    return body.answer(request, payloads, content_type=content_type, etag=etag, cache=caching.IMMUTABLE)


async def _frame(reading: Frames, held: Held, number: int, *, alone: bool) -> Piece:
    """A frame alone is read at once, so that a missing file is an error and no broken body."""
    size = reading.size(held, number)
    if alone and size <= LONG_FRAME:
        return Bytes(await reading.read(held, number))
    return Fetched(size, partial(reading.read, held, number))


async def metadata(request: Request) -> ASGIApp:
    """GET …/metadata of a study, series or instance"""
    form = datasets.form(request, datasets.METADATA)
    scope = params.scope_key(request)
    base = address.public_base(request)
    retrieving = services_of(request).metadata
    in_part = caching.field(request, b"range") is not None  # which is of the plain document (H-22)
    gzip = not in_part and compression.takes_gzip(caching.field(request, b"accept-encoding") or "")
    etag = etag_of(await retrieving.identity(scope), base, form, gzip=gzip)
    quoted = f'"{etag}"'
    if caching.is_known(request, quoted):
        return body.not_modified(quoted, caching.REVALIDATE)
    content_type = str(form)
    if form in (datasets.Form.JSON, datasets.Form.PLAIN_JSON):
        document = await retrieving.document(scope, etag, base=base, gzip=gzip)
        content, gzip, left_out = document.body, document.gzip, document.left_out
    else:
        described = await retrieving.rows(scope)
        left_out = described.left_out
        if form is datasets.Form.XML and len(described.rows) != 1:
            raise NotAcceptable("one XML document holds one instance", available=(str(datasets.Form.XML_PARTS),))
        content, content_type, gzip = await asyncio.to_thread(_xml, form, described.rows, base, gzip)
    more = body.headers(content_encoding="gzip") if gzip else []
    if left_out:
        more = more + body.headers(warning=warning(base, f"{left_out} instances could not be fetched and are left out"))
    return body.answer(
        request, [Bytes(content)], content_type=content_type, etag=quoted, cache=caching.REVALIDATE, more=more
    )


def _xml(form: datasets.Form, rows: list[bytes], base: str, gzip: bool) -> tuple[bytes, str, bool]:
    """Body, Content-Type, and whether it is compressed."""
    sets = [row.replace(BASE, base.encode()) for row in rows]
    alone = form is datasets.Form.XML
    content, content_type = (datasets.xml(sets[0]), str(form)) if alone else datasets.xml_parts(sets)
    gzip = gzip and len(content) >= compression.SMALLEST
    return compression.gzipped(content) if gzip else content, content_type, gzip


async def bulkdata(request: Request) -> ASGIApp:
    """GET …/instances/{instance}/bulkdata/{path}: one value, at any depth"""
    return await _looked_up(request, _bulkdata)


async def _bulkdata(request: Request, fresh: bool) -> ASGIApp:
    key = params.instance_key(request)
    return await _one_value(request, await services_of(request).bulkdata.find(key, bulk_path(request), fresh=fresh))


async def _one_value(request: Request, found: Bulk) -> ASGIApp:
    wanted = accepted(request)
    held, value = found.held, found.value
    payloads: list[list[Piece]]
    if value.encapsulated and held.index is not None and found.pixels:
        check_frames(held)
        form = await transcoding.pixels(request, held, wanted, parts=1 if held.index.video else held.index.count)
        label = form.label
        payloads = await frame_payloads(request, held, form)
    else:
        kind, single = _plain_form(wanted, _harmless(value.media_type))
        form = Form(kind, EXPLICIT_LE, not single)
        label = form.label if found.pixels else kind
        payloads = [[await value_piece(request, found)]]
    location = bulk_url(address.public_base(request), found) if form.multipart else ""
    representation = f"{held.version.version}/bulk/{found.path}/{label}/{location}"
    etag = _etag(representation)
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.IMMUTABLE)
    if not form.multipart:
        return body.answer(
            request,
            payloads[0],
            content_type=label,
            etag=etag,
            cache=caching.IMMUTABLE,
            more=_SANDBOX if label in _ACTIVE else None,
        )
    boundary = multipart.boundary_of(representation)
    return body.answer(
        request,
        multipart.related(boundary, [(label, location, payload) for payload in payloads]),
        content_type=multipart.outer(form.media_type, boundary, syntax=form.syntax if found.pixels else None),
        etag=etag,
        cache=caching.IMMUTABLE,
    )


def check_frames(held: Held) -> None:
    """Raises NotAcceptable for compressed pixel data without a frame that can be told apart: it has no form."""
    if held.index is not None and not held.index.count:
        raise NotAcceptable("no frame can be told apart in its pixel data", available=())


def _harmless(media_type: str) -> str:
    """The type a file gives its document, if it is one of those served: a page among them could act as ours."""
    return media_type.lower() if media_type.lower() in DOCUMENTS else OCTET_STREAM


def _plain_form(wanted: Accepted, media_type: str) -> tuple[str, bool]:
    """Type and whether alone, for a value that is no encapsulated pixel data; ``*/*`` means alone here (W-45)."""
    offered = (media_type, OCTET_STREAM) if media_type != OCTET_STREAM else (OCTET_STREAM,)
    for each in wanted.ranges:
        for kind in offered if not each.wild else offered[-1:]:
            if each.takes(kind) and each.syntax in (None, "*", EXPLICIT_LE):
                return kind, not each.multipart or each.bare
    raise NotAcceptable("the value cannot be given in any accepted form", available=offered)


async def value_piece(request: Request, found: Bulk) -> Piece:
    value = found.value
    if value.exact and len(value.spans) == 1:
        return Stored(services_of(request).objects, found.held.version.object_key, value.spans[0])
    reading = services_of(request).bulkdata
    if value.codec is not None:
        return Bytes(await reading.read(found))  # text is of another size in UTF-8
    return Fetched(value.size, partial(reading.read, found))


async def frame_payloads(request: Request, held: Held, form: Form | None = None) -> list[list[Piece]]:
    """Compressed pixel data is one part for each frame, a video one for all (T-05); as stored without ``form``."""
    index = held.index
    assert index is not None
    if form is not None and not transcoding.is_stored(held, form):
        numbers = range(1, index.count + 1)
        return [[piece] for piece in await transcoding.frames(request, held, numbers, form)]
    objects = services_of(request).objects
    if index.deflated:
        reading = services_of(request).frames
        numbers = range(1, index.count + 1)
        return [[Fetched(index.size(number), partial(reading.read, held, number))] for number in numbers]
    return [
        [Stored(objects, held.version.object_key, span) for span in index.spans(number)]
        for number in range(1, index.count + 1)
    ]


def bulk_path(request: Request) -> Path:
    """The tags and item numbers of the URL. Raises BadRequest."""
    steps = request.path_params["path"].split("/")
    path = []
    for place, step in enumerate(steps):
        if place % 2 == 0 and _TAG.fullmatch(step):
            path.append(int(step, 16))
        elif place % 2 and step.isascii() and step.isdigit() and len(step) <= 9:
            path.append(int(step))
        else:
            raise BadRequest(f"not a bulk data reference: {step[:40]!r}")
    return tuple(path)


def instance_url(base: str, key: InstanceKey) -> str:
    return f"{base}/studies/{key.study}/series/{key.series}/instances/{key.instance}"


def bulk_url(base: str, found: Bulk) -> str:
    steps = (f"{step:08X}" if place % 2 == 0 else str(step) for place, step in enumerate(found.path))
    return f"{instance_url(base, found.held.key)}/bulkdata/{'/'.join(steps)}"


def whole(held: Held) -> Span:
    return Span(0, held.version.size)


def _etag(representation: str) -> str:
    return f'"{multipart.boundary_of(representation)[:32]}"'
