"""WADO-RS: whole instances of a study or series, or one alone (W-01 to W-07)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import (
    address,
    body,
    bulk,
    caching,
    instance_file,
    multipart,
    params,
    transcoding,
    wado,
    zipped,
)
from dicomweb_server.web.accept import DICOM, Accepted, Form
from dicomweb_server.web.body import Headers
from dicomweb_server.web.headers import warning
from dicomweb_server.web.services import services_of


async def retrieve(request: Request) -> ASGIApp:
    """GET a study, series or instance"""
    wanted = wado.accepted(request)
    scope = params.scope_key(request)
    asked_for = zipped.asked(wanted, alone=isinstance(scope, InstanceKey))
    if asked_for is not None:
        return await zipped.archive(request, asked_for)
    if not any(each.takes(DICOM) for each in wanted.ranges):
        return await bulk.every_value(request, wanted, pixels_only=False)  # W-05
    held = await services_of(request).shelf.instances(scope)
    alone = isinstance(scope, InstanceKey)
    few = len(held) <= transcoding.MADE_BEFORE
    chosen = [(each, await transcoding.instance(request, each, wanted, alone=alone, make=few)) for each in held]
    given = [(each, form) for each, form in chosen if isinstance(form, Form)]
    if not given:
        raise next(form for _, form in chosen if isinstance(form, NotAcceptable))
    return await _instances(request, given, missing=len(held) - len(given))


async def single(request: Request, held: Held, wanted: Accepted) -> ASGIApp:
    """One instance alone. Raises NotAcceptable."""
    form = await transcoding.instance(request, held, wanted, alone=True, make=True)
    if isinstance(form, NotAcceptable):
        raise form
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
            [await instance_file.piece(request, held, form, alone=True)],
            content_type=form.label,
            etag=etag,
            cache=caching.REVALIDATE,
        )
    boundary = multipart.boundary_of(representation)
    alone = len(given) == 1
    parts = [
        (form.label, wado.instance_url(base, held.key), [await instance_file.piece(request, held, form, alone=alone)])
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
    return found if not missing else body.partly(found)
