"""What may be seen or read of an instance, drawn: always in pool processes (R-01 to R-17)."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from dicomweb_server.dicom.rendering import media
from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.model.errors import BackendFailed, NoRoom, NotAcceptable, OutOfResources, Undecodable
from dicomweb_server.pool.base import Pool
from dicomweb_server.retrieve import drawing
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.presented import By, Presented, References
from dicomweb_server.retrieve.shelf import Held, Shelf

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

TOGETHER = 8
"""Frames drawn in one call of the pool: the header is read once for all."""

MOST_ANIMATED = 4096


@dataclass(frozen=True, slots=True)
class Rendered:
    shelf: Shelf
    pool: Pool

    kept: Derived | None = None
    """Where finished pictures are kept for the next who asks."""

    async def picture(
        self, held: Held, frames: Sequence[int], wanted: Rendering, *, by: By | None = None
    ) -> bytes | Path:
        """One frame as an image, several as an animation; a long one as a file to be opened at once.

        Raises NotFound, BadRequest, NotAcceptable, Undecodable.
        """
        if self.kept is None:
            return await self._drawn(held, frames, wanted, by)
        version = f"{media.REVISION} {held.version.version} {held.key.instance}"
        key = f"picture {version} {frames} {wanted.spelled} {by.versions if by is not None else ''}"
        try:
            return await self.kept.content(key, partial(self._fill, held, frames, wanted, by))
        except NoRoom as error:
            log.warning("%s", error)
        return await self._drawn(held, frames, wanted, by)

    async def _fill(self, held: Held, frames: Sequence[int], wanted: Rendering, by: By | None, draft: Path) -> None:
        if by is None and len(frames) == 1:
            await self.run(held, drawing.saved, drawing.frames, frames, draft=str(draft), wanted=wanted)
        else:
            await asyncio.to_thread(draft.write_bytes, await self._drawn(held, frames, wanted, by))

    async def _drawn(self, held: Held, frames: Sequence[int], wanted: Rendering, by: By | None) -> bytes:
        if len(frames) > 1:
            return await self.animation(held, frames, wanted)
        ((_, drawn),) = [pair async for pair in self.images(held, frames, wanted, by=by)]
        return drawn

    async def images(
        self, held: Held, frames: Sequence[int], wanted: Rendering, *, by: By | None = None
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Each frame and its image, a few drawn at a time, as a presentation state has it where it is shown by one.

        Raises as ``picture`` does.
        """
        start = 0
        while start < len(frames):
            some = frames[start : start + TOGETHER]
            if by is None:
                drawn = await self.run(held, drawing.frames, some, wanted=wanted)
            elif by.inputs:
                drawn = await self._blended(held, some, wanted, by)
            else:
                async with self._file(by.state) as path:
                    drawn = await self.run(held, drawing.states, some, path, wanted=wanted)
            for pair in zip(some, drawn, strict=False):
                yield pair
            start += len(drawn)

    async def referenced(self, state: Held) -> Presented:
        """What a presentation state is for, of what is here. Raises NotAcceptable where nothing is."""
        return await References(self.shelf).presented(state)

    async def by(self, state: Held) -> By:
        """The state with all that it adds to the images it shows. Raises NotAcceptable where that is not here."""
        return await References(self.shelf).by(state)

    async def _blended(self, held: Held, frames: Sequence[int], wanted: Rendering, by: By) -> list[bytes]:
        partners = await References(self.shelf).partners(held, frames, by)
        async with AsyncExitStack() as opened:

            async def path(of: Held) -> str:
                return await opened.enter_async_context(self._file(of))

            by_state = await path(by.state)
            registrations = {number: await path(each) for number, each in by.registrations().items()}
            others = [[(number, await path(other), frame) for number, other, frame in each] for each in partners]
            return await self.run(held, drawing.blended, frames, by_state, others, registrations, wanted=wanted)

    async def animation(self, held: Held, frames: Sequence[int], wanted: Rendering) -> bytes:
        """The frames as one animated GIF. Raises NotAcceptable where they are more than anybody watches."""
        if len(frames) > MOST_ANIMATED:
            raise NotAcceptable(f"an animation has at most {MOST_ANIMATED} frames")
        return await self.run(held, drawing.animation, frames, wanted=wanted)

    async def report(self, held: Held, media_type: str) -> bytes:
        """A structured report as text, UTF-8. Raises NotAcceptable where it has no content tree."""
        return await self.run(held, drawing.report, media_type)

    async def run(self, held: Held, work: Callable[Concatenate[str, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """``work`` on the instance's file in the pool; what kills the decoder counts as undecodable.

        Raises OutOfResources where somebody else ended it.
        """
        try:
            async with self._file(held) as path:
                return await self.pool.run(work, path, *args, **kwargs)
        except OutOfResources:
            raise
        except BackendFailed as error:
            if error.passing:
                raise OutOfResources(f"instance {held.key.instance} cannot be drawn just now: {error}") from error
            raise Undecodable(f"instance {held.key.instance} cannot be drawn: {error}") from error

    @asynccontextmanager
    async def _file(self, held: Held) -> AsyncIterator[str]:
        """A path the pool can read; of an object from afar a copy that is gone afterwards."""
        if held.path is not None:
            yield held.path
            return
        content = await self.shelf.objects.read(held.version.object_key)
        with tempfile.TemporaryDirectory(dir=self.shelf.objects.staging(), prefix="drawing-") as folder:
            copy = Path(folder) / "instance.dcm"
            await asyncio.to_thread(copy.write_bytes, content)
            yield str(copy)
