"""Frames and instances in another transfer syntax than they are stored in: made in the pool, kept, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, TARGETS, TransferSyntax
from dicomweb_server.retrieve import drawing
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.shelf import Held


@dataclass(frozen=True, slots=True)
class TranscodedForms:
    rendered: Rendered
    kept: Derived

    async def frame(self, held: Held, number: int, syntax: str) -> bytes:
        """One frame in ``syntax``. Raises NotFound, NotAcceptable, Undecodable."""
        key = f"frame {held.version.version} {held.key.instance} {number} {syntax}"
        return await self.kept.read(key, partial(self._frame, held, number, syntax))

    async def file(self, held: Held, syntax: str) -> Path:
        """The whole instance in ``syntax``, to be opened at once. Raises as ``frame`` does."""

        async def fill(draft: Path) -> None:
            await self.rendered.run(held, drawing.instance, str(draft), syntax)

        return await self.kept.path(f"instance {held.version.version} {held.key.instance} {syntax}", fill)

    async def _frame(self, held: Held, number: int, syntax: str) -> bytes:
        (made,) = await self.rendered.run(held, drawing.transcoded, (number,), syntax)
        return made


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
