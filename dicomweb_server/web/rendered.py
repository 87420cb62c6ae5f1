"""WADO-RS /rendered at all four levels (PS3.18 10.4.1.1.3; R-01 to R-17)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.rendering import media
from dicomweb_server.dicom.rendering.media import IMAGES
from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.model.errors import DicomwebError, NotAcceptable, OutOfResources
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.retrieve.nature import Nature, every_frame, middle_frame, nature_of
from dicomweb_server.retrieve.presented import By
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import (
    address,
    body,
    caching,
    documents,
    headers,
    multipart,
    params,
    rendered_request,
    rendered_types,
    wado,
)
from dicomweb_server.web.accept import Accepted
from dicomweb_server.web.body import Bytes, Headers, Made
from dicomweb_server.web.made import piece
from dicomweb_server.web.rendered_types import GIF, Form
from dicomweb_server.web.services import Services, services_of


@dataclass(frozen=True, slots=True)
class Item:
    """One instance of a multipart answer: its frames as images, or itself as a document."""

    held: Held
    media_type: str
    frames: Sequence[int] = ()
    by: By | None = None
    """The presentation state that it is shown by."""


async def retrieve(request: Request) -> ASGIApp:
    """GET …/rendered of a study, series or instance"""
    scope = params.scope_key(request)
    wanted = wado.accepted(request)
    services = services_of(request)
    if isinstance(scope, InstanceKey):
        return await instance(request, await services.shelf.instance(scope, within_seconds=0.0), wanted)
    if services.rendered_representative and not any(each.multipart for each in wanted.ranges):
        held = await services.thumbnails.representative(scope)
        return await instance(request, held, wanted)
    return await _several(request, await services.shelf.instances(scope), wanted)


async def frames(request: Request) -> ASGIApp:
    """GET …/frames/{frames}/rendered"""
    services = services_of(request)
    numbers = params.frame_numbers(request)
    wanted = wado.accepted(request)
    held = await services.frames.find(params.instance_key(request))
    services.frames.check(held, numbers)
    if nature_of(held) is not Nature.IMAGE:
        raise NotAcceptable("a video has no single frames", available=rendered_types.offered(held))
    if len(numbers) == 1:
        form = rendered_types.of_one(wanted, IMAGES)
    else:
        form = rendered_types.of_several(wanted, IMAGES, alone=(GIF,))
    if form is None:
        raise _refused(IMAGES, several=len(numbers) > 1)
    return await _images(request, held, tuple(numbers), form)


async def instance(request: Request, held: Held, wanted: Accepted) -> ASGIApp:
    """One instance by itself. Raises NotAcceptable, BadRequest."""
    if nature_of(held) is Nature.STATE:
        return await _by_state(request, held, wanted)
    types = rendered_types.offered(held)
    if not types:
        raise NotAcceptable("the instance has nothing that could be shown")
    if nature_of(held) is not Nature.IMAGE:
        form = rendered_types.of_one(wanted, types)
        if form is None:
            raise _refused(types)
        return await documents.answer(request, held, form)
    numbers = every_frame(held)
    if len(numbers) == 1:
        numbers, form = tuple(numbers), rendered_types.of_one(wanted, types)
    else:
        form = rendered_types.of_several(wanted, types, alone=types)
        alone = form is not None and not form.multipart and form.media_type != GIF
        numbers = (middle_frame(held),) if alone else numbers
    if form is None:
        raise _refused(types)
    return await _images(request, held, numbers, form)


async def _by_state(request: Request, state: Held, wanted: Accepted) -> ASGIApp:
    """Every frame that a presentation state is for, shown by it (R-15)."""
    rendered_request.check_state(request)
    shown = await services_of(request).rendered.referenced(state)
    several = sum(len(numbers) for _, numbers in shown.images) > 1
    form = rendered_types.of_several(wanted, IMAGES) if several else rendered_types.of_one(wanted, IMAGES)
    if form is None:
        raise _refused(IMAGES, several)
    drawing, unknown = rendered_request.rendering(request, form.media_type)
    by = await services_of(request).rendered.by(state)
    missing = shown.named - len(shown.images)
    short = f"{missing} of {shown.named} images that the presentation state refers to are not here" if missing else ""
    more = warnings(request, unknown, short)
    if form.multipart:
        items = [Item(held, form.media_type, numbers, by) for held, numbers in shown.images]
        return await _parts(request, items, more=more)
    held, numbers = shown.images[0]
    return await one_image(request, held, numbers, drawing, by=by, more=more)


async def _images(request: Request, held: Held, numbers: Sequence[int], form: Form) -> ASGIApp:
    wanted, unknown = rendered_request.rendering(request, form.media_type)
    if form.multipart:
        return await _parts(request, [Item(held, form.media_type, numbers)], more=warnings(request, unknown))
    return await one_image(request, held, numbers, wanted, more=warnings(request, unknown))


async def one_image(
    request: Request,
    held: Held,
    numbers: Sequence[int],
    wanted: Rendering,
    *,
    by: By | None = None,
    more: Headers | None = None,
) -> ASGIApp:
    """One file: an image, or an animation of several frames."""
    shown_by = by.versions if by is not None else ""
    representation = f"{held.version.version}/rendered/{media.REVISION}/{numbers}/{wanted.spelled}/{shown_by}"
    etag = f'"{multipart.boundary_of(representation)[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    drawn = await piece(partial(services_of(request).rendered.picture, held, numbers, wanted, by=by))
    return body.answer(request, [drawn], content_type=wanted.media_type, etag=etag, cache=caching.REVALIDATE, more=more)


async def _several(request: Request, found: Sequence[Held], wanted: Accepted) -> ASGIApp:
    """Everything of a study or series that can be shown in an accepted form; the rest is left out (R-01)."""
    items = []
    for held in found:
        types = rendered_types.offered(held)
        form = rendered_types.of_several(wanted, types)
        if form is not None:
            items.append(Item(held, form.media_type, every_frame(held)))
    if not items:
        raise _refused(tuple(dict.fromkeys(kind for held in found for kind in rendered_types.offered(held))), True)
    unknown: tuple[str, ...] = ()
    for kind in {item.media_type for item in items if item.frames}:
        _, unknown = rendered_request.rendering(request, kind)
    return await _parts(request, items, more=warnings(request, unknown))


async def _parts(request: Request, items: Sequence[Item], *, more: Headers) -> ASGIApp:
    """Drawn as they are reached; the first at once, so that nothing to show is an error and no empty body."""
    base = address.public_base(request)
    query = request.scope["query_string"].decode("latin-1")
    first_by = items[0].by
    shown_by = first_by.versions if first_by is not None else ""
    named = (f"{item.held.version.version}:{item.media_type}:{item.frames}:{shown_by}" for item in items)
    boundary = multipart.boundary_of(" ".join((str(media.REVISION), base, query, *named)))
    etag = f'"{boundary[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    services = services_of(request)
    rest = _drawn(request, services, items, base, boundary)
    first = await anext(rest)
    return body.answer(
        request,
        [Bytes(first), Made(None, partial(_rest, rest, boundary))],
        content_type=multipart.outer(items[0].media_type, boundary),
        etag=etag,
        cache=caching.REVALIDATE,
        more=more,
    )


async def _rest(rest: AsyncIterator[bytes], boundary: str) -> AsyncIterator[bytes]:
    async for part in rest:
        yield part
    yield multipart.tail(boundary)


async def _drawn(
    request: Request, services: Services, items: Sequence[Item], base: str, boundary: str
) -> AsyncIterator[bytes]:
    """Each part with its headers. What cannot be drawn is left out; raises why when that is everything."""
    shown, failure = 0, None
    for item in items:
        try:
            async for label, location, content in _pictures(request, services, item, base):
                head = multipart.head(boundary, label, location=location, length=len(content), first=shown == 0)
                shown += 1
                yield head + content
        except OutOfResources:
            raise
        except DicomwebError as error:
            failure = error
    if not shown:
        raise failure or NotAcceptable("there is nothing that could be shown")


async def _pictures(
    request: Request, services: Services, item: Item, base: str
) -> AsyncIterator[tuple[str, str, bytes]]:
    where = wado.instance_url(base, item.held.key)
    if not item.frames:
        yield await documents.part(request, item.held, item.media_type, f"{where}/rendered")
        return
    wanted, _ = rendered_request.rendering(request, item.media_type)
    async for number, image in services.rendered.images(item.held, item.frames, wanted, by=item.by):
        yield item.media_type, f"{where}/frames/{number}/rendered", image


def warnings(request: Request, unknown: tuple[str, ...], short: str = "") -> Headers:
    """Annotations that are not known, and what an answer is ``short`` of."""
    ignored = f"The following annotation values are not supported: {','.join(unknown)}" if unknown else ""
    found = [headers.warning(address.public_base(request), text) for text in (ignored, short) if text]
    return body.headers(warning=", ".join(found)) if found else []


def _refused(types: tuple[str, ...], several: bool = False) -> NotAcceptable:
    return NotAcceptable(
        "it cannot be shown in any accepted form", available=rendered_types.available(types, several=several)
    )
