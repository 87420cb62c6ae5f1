"""Frames and instances in another transfer syntax than they are stored in: made in the pool, kept, made once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicomweb_server.dicom import syntaxes
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, TARGETS, TransferSyntax, syntax_of
from dicomweb_server.model.errors import NoRoom, NotAcceptable
from dicomweb_server.objects import layout
from dicomweb_server.retrieve import drawing
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.shelf import Held

KEPT_SYNTAX = syntaxes.HTJ2K_LOSSLESS_RPCL
KEPT_GIVES = frozenset({KEPT_SYNTAX, syntaxes.HTJ2K_LOSSLESS, syntaxes.HTJ2K})
"""A lossless stream in RPCL order is one of every kind of HTJ2K (PS3.5 A.4.11 to A.4.13)."""


@dataclass(frozen=True, slots=True)
class TranscodedForms:
    rendered: Rendered
    kept: Derived
    prefer_htj2k: bool = False
    """Whether who takes any transfer syntax is given the HTJ2K form that is kept, where there is one."""

    async def frame(self, held: Held, number: int, syntax: str) -> bytes | Path:
        """One frame in ``syntax``, a long one as a file to be opened at once.

        Raises NotFound, NotAcceptable, Undecodable.
        """
        try:
            return await self.kept.content(_of_frame(held, number, syntax), partial(self._fill, held, number, syntax))
        except NoRoom:
            (made,) = await self.rendered.run(held, drawing.transcoded, (number,), syntax)
            return made

    async def frame_ready(self, held: Held, number: int, syntax: str) -> None:
        """Make what ``frame`` is to give. Raises as it does."""
        try:
            await self.kept.path(_of_frame(held, number, syntax), partial(self._fill, held, number, syntax))
        except NoRoom:
            await self.frame(held, number, syntax)

    async def _fill(self, held: Held, number: int, syntax: str, draft: Path) -> None:
        at_rest = await self._htj2k(held) if syntax in KEPT_GIVES else None
        if at_rest is not None:
            await self.rendered.pool.run(drawing.saved, str(at_rest), drawing.kept, (number,), draft=str(draft))
        else:
            await self.rendered.run(held, drawing.saved, drawing.transcoded, (number,), syntax, draft=str(draft))

    async def preferred(self, held: Held) -> TransferSyntax:
        """What ``*`` gives: as it is stored, unless the site prefers the form that is kept beside it."""
        if self.prefer_htj2k and not held.syntax.encapsulated and await self._htj2k(held) is not None:
            return syntax_of(KEPT_SYNTAX)
        return held.syntax

    async def file(self, held: Held, syntax: str) -> Path:
        """The whole instance in ``syntax``, to be opened at once. Raises as ``frame`` does."""
        at_rest = await self._htj2k(held) if syntax == KEPT_SYNTAX else None
        if at_rest is not None:
            return at_rest

        async def fill(draft: Path) -> None:
            await self.rendered.run(held, drawing.instance, syntax, draft=str(draft))

        try:
            return await self.kept.path(_instance(held, syntax), fill)
        except NotAcceptable as error:
            await self.kept.path(_failure(held, syntax), partial(_note, str(error)))
            raise

    async def failed(self, held: Held, syntax: str) -> bool:
        """Whether the last attempt at ``file`` that is remembered was in vain."""
        return await self.kept.has(_failure(held, syntax)) and not await self.kept.has(_instance(held, syntax))

    async def _htj2k(self, held: Held) -> Path | None:
        """Where the form lies that the worker keeps beside an uncompressed instance, if it does."""
        if held.syntax.encapsulated:
            return None
        path = self.rendered.shelf.objects.local(layout.htj2k(held.key, held.version.version))
        return Path(path) if path is not None and await asyncio.to_thread(os.path.exists, path) else None


def _of_frame(held: Held, number: int, syntax: str) -> str:
    return f"frame {held.version.version} {held.key.instance} {number} {syntax}"


def _instance(held: Held, syntax: str) -> str:
    return f"instance {held.version.version} {held.key.instance} {syntax}"


def _failure(held: Held, syntax: str) -> str:
    return f"failed {_instance(held, syntax)}"


async def _note(reason: str, draft: Path) -> None:
    await asyncio.to_thread(draft.write_text, reason)


def can_give(stored: TransferSyntax, *, refused: frozenset[str] = frozenset()) -> Callable[[str], bool]:
    """Whether pixels stored so can be given in another syntax, as far as syntaxes alone tell.

    Lossy forms are made only when they are named (C-32), which negotiation sees to; ``refused`` were tried in vain.
    """
    as_given = stored.uid if stored.encapsulated else EXPLICIT_LE
    decodable = not stored.video and not stored.by_reference

    def can(syntax: str) -> bool:
        if syntax == as_given:
            return True
        return decodable and syntax in TARGETS and syntax not in refused

    return can
