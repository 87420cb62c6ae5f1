"""What is read rather than drawn: reports as text, encapsulated documents and videos as they are (R-11, R-12)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.rendering import media
from dicomweb_server.retrieve.nature import Nature, nature_of
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import address, body, caching, multipart, wado
from dicomweb_server.web.body import Bytes, Piece
from dicomweb_server.web.rendered_types import Form
from dicomweb_server.web.services import services_of

ENCAPSULATED_DOCUMENT = (0x00420011,)
LONGEST_PART = 256 << 20
"""Bytes of a document or video inside a multipart answer, which is put together in memory."""

_ACTIVE = body.headers(content_security_policy="sandbox; default-src 'none'; style-src 'unsafe-inline'")
"""HTML and XML may hold a script or call on others; nothing of a document may act as a page of ours."""


async def answer(request: Request, held: Held, form: Form) -> ASGIApp:
    """One document alone or as the only part, with ranges where its length is known."""
    label = _label(form.media_type)
    representation = f"{held.version.version}/rendered/{media.REVISION}/{form}/{address.public_base(request)}"
    boundary = multipart.boundary_of(representation)
    etag = f'"{boundary[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    pieces = await _pieces(request, held, form.media_type)
    content_type = label
    if form.multipart:
        where = f"{wado.instance_url(address.public_base(request), held.key)}/rendered"
        pieces = multipart.related(boundary, [(label, where, pieces)])
        content_type = multipart.outer(form.media_type, boundary)
    more = _ACTIVE if form.media_type.startswith("text/") else None
    return body.answer(request, pieces, content_type=content_type, etag=etag, cache=caching.REVALIDATE, more=more)


async def part(request: Request, held: Held, media_type: str, location: str) -> tuple[str, str, bytes]:
    """Label, location and content for a body of many parts."""
    pieces = await _pieces(request, held, media_type)
    blocks = [block for piece in pieces async for block in piece.read(0, None)]
    return _label(media_type), location, b"".join(blocks)


async def _pieces(request: Request, held: Held, media_type: str) -> list[Piece]:
    services = services_of(request)
    match nature_of(held):
        case Nature.REPORT:
            return [Bytes(await services.rendered.report(held, media_type))]
        case Nature.VIDEO:
            return [piece for payload in await wado.frame_payloads(request, held) for piece in payload]
    found = await services.bulkdata.find(held.key, ENCAPSULATED_DOCUMENT)
    if media_type == "text/xml":
        # The NUL that makes its length even is no character of XML
        return [Bytes((await services.bulkdata.read(found)).rstrip(b"\0"))]
    return [await wado.value_piece(request, found)]


def _label(media_type: str) -> str:
    """Reports are written in UTF-8; a document says its encoding itself."""
    return f"{media_type}; charset=utf-8" if media_type in ("text/html", "text/plain") else media_type
