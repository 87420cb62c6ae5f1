"""WADO-RS: all bulk values of a study, series or instance (W-05, W-41, W-42)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, OCTET_STREAM
from dicomweb_server.model.errors import BackendFailed, NotAcceptable, NotFound
from dicomweb_server.retrieve.bulkdata import Bulk
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import accept, address, body, caching, multipart, params, transcoding, wado
from dicomweb_server.web.accept import Accepted
from dicomweb_server.web.body import Made, Piece
from dicomweb_server.web.headers import warning
from dicomweb_server.web.services import services_of

LOCATED_BEFORE = transcoding.MADE_BEFORE
"""Of up to so many instances all values are located before the first byte leaves: the length is known then."""

Part = tuple[str, str, Sequence[Piece]]
"""Label, location, payload."""


async def bulkdata(request: Request) -> ASGIApp:
    """GET …/bulkdata of a study, series or instance: every bulk value"""
    return await every_value(request, wado.accepted(request), pixels_only=False)


async def pixeldata(request: Request) -> ASGIApp:
    """GET …/pixeldata of a study, series or instance"""
    return await every_value(request, wado.accepted(request), pixels_only=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    wanted: Accepted
    pixels_only: bool
    base: str

    @property
    def takes_octets(self) -> bool:
        return any(each.takes(OCTET_STREAM) and each.multipart for each in self.wanted.ranges)

    def named(self, held: Sequence[Held]) -> str:
        """What tells this representation from all others, without a look at any file."""
        ranges = (f"{each.kind};{each.syntax};{each.multipart};{sorted(each.but)}" for each in self.wanted.ranges)
        versions = (str(each.version.version) for each in held)
        return " ".join([self.base, "pixels" if self.pixels_only else "bulk", *ranges, *versions])


async def every_value(request: Request, wanted: Accepted, *, pixels_only: bool) -> ASGIApp:
    """One part for each value, one for each frame of compressed pixel data (T-05).

    Of many instances the values are located one instance after the other, while those before are sent.
    """
    asked = _Asked(request, wanted, pixels_only, address.public_base(request))
    held = await services_of(request).shelf.instances(params.scope_key(request))
    boundary = multipart.boundary_of(asked.named(held))
    etag = f'"{boundary[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.IMMUTABLE)
    parts: list[Part] = []
    refused = place = 0
    while place < len(held) and (len(held) <= LOCATED_BEFORE or not parts):
        try:
            found, left_out = await _parts(asked, held[place])
        except NotFound:
            if len(held) == 1:
                raise
            found, left_out = [], 1  # its file is lost; the others are here
        parts += found
        refused += left_out
        place += 1
    if not parts:
        if refused:
            raise NotAcceptable(
                "nothing can be given in any accepted form", available=(f'{accept.MULTIPART}; type="*/*"',)
            )
        raise NotFound("there is no bulk data")
    later = held[place:]
    refused += sum(_is_refused(asked, each) for each in later)
    pieces = multipart.related(boundary, parts)
    if later:
        pieces[-1:] = [Made(None, partial(_rest, asked, boundary, later))]
    media_type = parts[0][0].partition(";")[0]
    more = body.headers(warning=warning(asked.base, f"{refused} values cannot be given")) if refused else []
    content_type = multipart.outer(media_type, boundary)
    answer = body.answer(request, pieces, content_type=content_type, etag=etag, cache=caching.IMMUTABLE, more=more)
    return body.partly(answer) if refused else answer


async def _rest(asked: _Asked, boundary: str, later: Sequence[Held]) -> AsyncIterator[bytes]:
    """The body from the second instance with values on.

    Raises BackendFailed, which breaks it off, when a value cannot be given that nothing foretold: 200 is sent by then.
    """
    for held in later:
        found, left_out = await _parts(asked, held)
        if left_out and asked.takes_octets and not _is_refused(asked, held):
            raise BackendFailed(f"{left_out} values of instance {held.key.instance} cannot be given")
        for label, location, payload in found:
            length = body.total(payload)
            yield multipart.head(boundary, label, location=location, length=length, first=False)
            for piece in payload:
                async for block in piece.read(0, None):
                    yield block
    yield multipart.tail(boundary)


async def _parts(asked: _Asked, held: Held) -> tuple[list[Part], int]:
    """Those of one instance, and how many of its values cannot be given in any accepted form."""
    parts: list[Part] = []
    refused = 0
    for found in await services_of(asked.request).bulkdata.all(held, pixels_only=asked.pixels_only):
        try:
            parts += await _value(asked, found)
        except NotAcceptable:
            refused += 1
    return parts, refused


async def _value(asked: _Asked, found: Bulk) -> list[Part]:
    """Raises NotAcceptable."""
    location = wado.bulk_url(asked.base, found)
    if found.value.encapsulated and found.pixels:
        wado.check_frames(found.held)
        form = await transcoding.pixels(asked.request, found.held, asked.wanted, parts=2)
        payloads = await wado.frame_payloads(asked.request, found.held, form)
        return [(form.label, location, payload) for payload in payloads]
    if not asked.takes_octets:
        raise NotAcceptable("the value is given as octets alone", available=(OCTET_STREAM,))
    label = f"{OCTET_STREAM}; transfer-syntax={EXPLICIT_LE}" if found.pixels else OCTET_STREAM
    return [(label, location, [await wado.value_piece(asked.request, found)])]


def _is_refused(asked: _Asked, held: Held) -> bool:
    """Whether pixels cannot be given in any accepted form, as far as their transfer syntax tells."""
    if held.index is None:
        return False
    if not held.syntax.encapsulated:
        return not asked.takes_octets
    try:
        accept.pixels(asked.wanted, held.syntax.uid, parts=2)
    except NotAcceptable:
        return True
    return False
