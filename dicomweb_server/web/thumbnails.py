"""WADO-RS /thumbnail at all four levels: always one small image (PS3.18 10.4.1.1.4; R-20 to R-24)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.rendering import media
from dicomweb_server.dicom.rendering.media import IMAGES
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.retrieve.thumbnails import Box
from dicomweb_server.web import body, caching, multipart, params, rendered_request, wado
from dicomweb_server.web.body import Bytes
from dicomweb_server.web.services import services_of

PARAMETERS = ("accept", "viewport")


async def retrieve(request: Request) -> ASGIApp:
    """GET …/thumbnail of a study, series or instance"""
    scope = params.scope_key(request)
    media_type, box = _asked(request)
    held = await services_of(request).thumbnails.representative(scope)
    return await _answer(request, held, None, media_type, box)


async def frames(request: Request) -> ASGIApp:
    """GET …/frames/{frames}/thumbnail: of the first frame named (R-24)"""
    services = services_of(request)
    numbers = params.frame_numbers(request)
    media_type, box = _asked(request)
    held = await services.frames.find(params.instance_key(request))
    services.frames.check(held, numbers)
    return await _answer(request, held, numbers[0], media_type, box)


def _asked(request: Request) -> tuple[str, Box | None]:
    wanted = wado.accepted(request)
    media_type = next(
        (kind for each in wanted.ranges if each.bare or not each.multipart for kind in IMAGES if each.takes(kind)), None
    )
    if media_type is None:
        raise NotAcceptable("a thumbnail is one image", available=IMAGES)
    viewport = params.single(request, "viewport")
    return media_type, Box(*rendered_request.box_of(viewport)) if viewport is not None else None


async def _answer(request: Request, held: Held, frame: int | None, media_type: str, box: Box | None) -> ASGIApp:
    representation = f"{held.version.version}/thumbnail/{media.REVISION}/{frame}/{media_type}/{box}"
    etag = f'"{multipart.boundary_of(representation)[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    picture = await services_of(request).thumbnails.picture(held, frame=frame, box=box, media_type=media_type)
    return body.answer(
        request,
        [Bytes(picture)],
        content_type=media_type,
        etag=etag,
        cache=caching.REVALIDATE,
    )
