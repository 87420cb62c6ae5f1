"""The file of an instance as it leaves: stored bytes, rewritten, or with transcoded pixels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

from starlette.requests import Request

from dicomweb_server.dicom.rewrite import explicit_le
from dicomweb_server.retrieve.shelf import Held, Shelf
from dicomweb_server.web import transcoding, wado
from dicomweb_server.web.accept import Form
from dicomweb_server.web.body import Made, Piece, Stored
from dicomweb_server.web.services import services_of

BLOCK = 1 << 20
"""Bytes of a rewritten file sent at once."""


async def piece(request: Request, held: Held, form: Form, *, alone: bool) -> Piece:
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
