"""A study, series or instance as one ZIP archive, written while it is sent (W-07)."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.syntaxes import OCTET_STREAM
from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import accept, address, body, caching, instance_file, multipart, params, transcoding
from dicomweb_server.web.accept import Accepted, Form, Range
from dicomweb_server.web.body import Made
from dicomweb_server.web.headers import warning
from dicomweb_server.web.services import services_of


def asked(wanted: Accepted, *, alone: bool) -> Range | None:
    """The range that asks for an archive, unless one before it is answered otherwise."""
    for each in wanted.ranges:
        if each.kind == accept.ZIP and not each.multipart:
            return each
        if (each.multipart or alone) and (each.takes(accept.DICOM) or each.takes(OCTET_STREAM)):
            return None
    return None


async def archive(request: Request, asked_for: Range) -> ASGIApp:
    """Files as stored, or in the transfer syntax that ``asked_for`` names. Raises NotFound, Gone, NotAcceptable."""
    scope = params.scope_key(request)
    held = await services_of(request).shelf.instances(scope)
    as_files = Accepted((replace(asked_for, kind=accept.DICOM, syntax=asked_for.syntax or "*"),))
    few = len(held) <= transcoding.MADE_BEFORE
    chosen = [(each, await transcoding.instance(request, each, as_files, alone=True, make=few)) for each in held]
    given = [(each, form) for each, form in chosen if isinstance(form, Form)]
    if not given:
        raise NotAcceptable("no instance can be given in the transfer syntax asked for", available=(accept.ZIP,))
    etag = f'"{_named(scope, given)[:32]}"'
    if caching.is_known(request, etag):
        return body.not_modified(etag, caching.REVALIDATE)
    more = body.headers(content_disposition=f'attachment; filename="{_uid(scope)}.zip"')
    missing = len(held) - len(given)
    if missing:
        told = f"{missing} instances cannot be given in the transfer syntax asked for"
        more += body.headers(warning=warning(address.public_base(request), told))
    found = body.answer(
        request,
        [Made(None, partial(_written, request, given))],
        content_type=accept.ZIP,
        etag=etag,
        cache=caching.REVALIDATE,
        more=more,
    )
    return found if not missing else body.partly(found)


async def _written(request: Request, given: Sequence[tuple[Held, Form]]) -> AsyncIterator[bytes]:
    """The archive in blocks; of its files no more than a block is in memory, of its directory a line for each."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as written:
        for held, form in given:
            piece = await instance_file.piece(request, held, form, alone=False)
            entry = zipfile.ZipInfo(name_of(held.key))  # without a date, so that two archives of the same are the same
            large = piece.size is None or piece.size > zipfile.ZIP64_LIMIT
            with written.open(entry, "w", force_zip64=large) as content:
                async for block in piece.read(0, None):
                    await asyncio.to_thread(content.write, block)
                    yield sink.taken()
    yield sink.taken()


def name_of(key: InstanceKey) -> str:
    """UIDs are digits and dots, so a name leads nowhere else; that it is the only one its key says."""
    return f"{key.study}/{key.series}/{key.instance}.dcm"


class _Sink:
    """What a ZipFile writes to: it cannot go back in it, and what was written is taken away."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing behind it."""

    def taken(self) -> bytes:
        found, self._blocks = b"".join(self._blocks), []
        return found


def _uid(scope: Scope) -> str:
    if isinstance(scope, InstanceKey):
        return scope.instance
    return scope.series if isinstance(scope, SeriesKey) else scope.study


def _named(scope: Scope, given: Sequence[tuple[Held, Form]]) -> str:
    files = (f"{held.version.version}:{form.syntax}" for held, form in given)
    return multipart.boundary_of(" ".join(["zip", _uid(scope), *files]))
