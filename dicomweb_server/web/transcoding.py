"""The form in which pixels or instances leave: what is accepted, and what can really be made of what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from starlette.requests import Request

from dicomweb_server.model.errors import NotAcceptable
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.retrieve.transcoded import can_give
from dicomweb_server.web import accept
from dicomweb_server.web.accept import Accepted, Form
from dicomweb_server.web.body import Made, Piece
from dicomweb_server.web.made import blocks, piece
from dicomweb_server.web.services import services_of

MADE_BEFORE = 16
"""Up to so many instances are transcoded before the first byte leaves; what fails is then told by 206 (C-33)."""
AT_ONCE = 4
"""Frames that are made before the first byte leaves, so that what cannot be made is an error and no broken body."""


def is_stored(held: Held, form: Form) -> bool:
    return form.syntax == accept.as_given(held.syntax)


async def pixels(request: Request, held: Held, wanted: Accepted, *, parts: int, frame: int = 1) -> Form:
    """The best form in which ``frame`` can be given; it is made where it has to be. Raises NotAcceptable."""
    refused: frozenset[str] = frozenset()
    reason: NotAcceptable | None = None
    if held.index is not None and held.index.encapsulated and not held.syntax.encapsulated:
        raise NotAcceptable("the pixels are compressed, although the transfer syntax says that they are not")
    made = services_of(request).transcoded
    stored = held.syntax if not made.prefer_htj2k else await made.preferred(held)
    while True:
        try:
            form = accept.pixels(wanted, stored.uid, parts=parts, refused=refused)
        except NotAcceptable as error:
            raise _because(reason, error) from None
        if is_stored(held, form):
            return form
        try:
            await made.frame_ready(held, frame, form.syntax)
        except NotAcceptable as error:
            refused |= {form.syntax}
            reason = error
        else:
            return form


async def instance(request: Request, held: Held, wanted: Accepted, *, alone: bool, make: bool) -> Form | NotAcceptable:
    """The best form of an instance, or why it has none; with ``make`` only after it was made.

    A transcoding that fails is tried in the next form that is accepted; without ``make``, one that failed before.
    """
    made = services_of(request).transcoded
    refused: frozenset[str] = frozenset()
    reason: NotAcceptable | None = None
    while True:
        can = can_give(held.syntax, refused=refused)
        form = accept.for_instance(wanted, held.syntax, can, parts=1 if alone else 2)
        if form is None:
            told = f"stored as {held.syntax.uid} and cannot be given in any accepted form"
            return _because(reason, NotAcceptable(told, available=accept.instance_available(held.syntax, can)))
        if not is_transcoded(held, form):
            return form
        try:
            if make:
                await made.file(held, form.syntax)
            elif await made.failed(held, form.syntax):
                raise NotAcceptable("it could not be transcoded when it was tried before")
        except NotAcceptable as error:
            refused |= {form.syntax}
            reason = error
        else:
            return form


def is_transcoded(held: Held, form: Form) -> bool:
    """Whether the pixels of an instance have to be decoded for this form."""
    return form.syntax not in (held.syntax.uid, accept.as_given(held.syntax))


async def frames(request: Request, held: Held, numbers: Sequence[int], form: Form) -> list[Piece]:
    """Transcoded frames; the first few are made now, the others when their turn comes."""
    made = services_of(request).transcoded
    gets = [partial(made.frame, held, number, form.syntax) for number in numbers]
    first = await asyncio.gather(*map(piece, gets[:AT_ONCE]))
    return [*first, *(Made(None, partial(blocks, get)) for get in gets[AT_ONCE:])]


async def file(request: Request, held: Held, form: Form, *, now: bool) -> Piece:
    """A transcoded instance; its size is known where it is made ``now``."""
    get = partial(services_of(request).transcoded.file, held, form.syntax)
    return await piece(get) if now else Made(None, partial(blocks, get))


def _because(reason: NotAcceptable | None, error: NotAcceptable) -> NotAcceptable:
    """The refusal with what the last attempt failed for."""
    if reason is None:
        return error
    return NotAcceptable(f"{error}: {reason}", available=error.available)
