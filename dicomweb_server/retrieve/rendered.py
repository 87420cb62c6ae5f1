"""What may be seen or read of an instance, and its drawing: always in pool processes (R-01 to R-17)."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import orjson

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering import media
from dicomweb_server.dicom.rendering.registration import SPATIAL_REGISTRATION
from dicomweb_server.dicom.rendering.request import Rendering
from dicomweb_server.dicom.syntaxes import OCTET_STREAM
from dicomweb_server.model.errors import BackendFailed, NoRoom, NotAcceptable, NotFound, OutOfResources, Undecodable
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.pool.base import Pool
from dicomweb_server.retrieve import drawing, referenced
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.referenced import Shown
from dicomweb_server.retrieve.shelf import Held, Shelf

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

TOGETHER = 8
"""Frames drawn in one call of the pool: the header is read once for all."""

MOST_ANIMATED = 4096

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_REPORTS = _STORAGE + "88."
_KEY_OBJECTS = _REPORTS + "59"
"""A list of images for programs, with no text to read (R-16)."""
_BLENDING = _STORAGE + "11.4"
_STATES = {*(f"{_STORAGE}11.{kind}" for kind in (1, 2, 3, 5, 12)), _BLENDING}
"""Grayscale, colour, pseudo-colour, grayscale of angiography, variable modality LUT, and blending.

Advanced blending and volumetric ones are not drawn.
"""
DOCUMENTS = {
    _STORAGE + "104.1": "application/pdf",
    _STORAGE + "104.2": "text/xml",
    _STORAGE + "104.3": "model/stl",
    _STORAGE + "104.4": "model/obj",
    _STORAGE + "104.5": "model/mtl",
}
"""Media types by SOP class: what the file itself claims to hold is not believed (R-11)."""


class Nature(Enum):
    """What there is to see of an instance."""

    IMAGE = "image"
    VIDEO = "video"
    REPORT = "report"
    DOCUMENT = "document"
    STATE = "presentation state"
    NOTHING = "nothing"


def nature_of(held: Held) -> Nature:
    sop_class = held.version.sop_class
    if held.index is not None and held.index.video:
        return Nature.VIDEO if held.syntax.media_type != OCTET_STREAM else Nature.NOTHING
    if held.index is not None and held.index.count > 0:
        return Nature.IMAGE
    if sop_class in DOCUMENTS:
        return Nature.DOCUMENT
    if sop_class.startswith(_REPORTS) and sop_class != _KEY_OBJECTS:
        return Nature.REPORT
    return Nature.STATE if sop_class in _STATES else Nature.NOTHING


@dataclass(frozen=True, slots=True)
class Presented:
    """What a presentation state shows."""

    images: Sequence[tuple[Held, Sequence[int]]]
    """Each with its frames, in the order to be shown."""
    named: int
    """Images that the state refers to; those that are not here, or lack all the frames it names, are not shown."""


@dataclass(frozen=True, slots=True)
class Rendered:
    shelf: Shelf
    pool: Pool

    kept: Derived | None = None
    """Where finished pictures are kept for the next who asks."""

    async def picture(
        self, held: Held, frames: Sequence[int], wanted: Rendering, *, state: Held | None = None
    ) -> bytes | Path:
        """One frame as an image, several as an animation; a long one as a file to be opened at once.

        Raises NotFound, BadRequest, NotAcceptable, Undecodable.
        """
        if self.kept is None:
            return await self._drawn(held, frames, wanted, state)
        shown_by = await self.shown_by(state)
        key = (
            f"picture {media.REVISION} {held.version.version} {held.key.instance} {frames} {wanted.spelled} {shown_by}"
        )
        try:
            return await self.kept.content(key, partial(self._fill, held, frames, wanted, state))
        except NoRoom as error:
            log.warning("%s", error)
        return await self._drawn(held, frames, wanted, state)

    async def _fill(
        self, held: Held, frames: Sequence[int], wanted: Rendering, state: Held | None, draft: Path
    ) -> None:
        if state is None and len(frames) == 1:
            await self.run(held, drawing.saved, str(draft), drawing.frames, frames, wanted)
        else:
            await asyncio.to_thread(draft.write_bytes, await self._drawn(held, frames, wanted, state))

    async def _drawn(self, held: Held, frames: Sequence[int], wanted: Rendering, state: Held | None) -> bytes:
        if len(frames) > 1:
            return await self.animation(held, frames, wanted)
        ((_, drawn),) = [pair async for pair in self.images(held, frames, wanted, state=state)]
        return drawn

    async def images(
        self, held: Held, frames: Sequence[int], wanted: Rendering, *, state: Held | None = None
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Each frame and its image, a few drawn at a time, as the presentation state ``state`` has it if there is one.

        Raises as ``picture`` does.
        """
        over = await self._superimposed(state) if state is not None and _blends(state) else []
        registration = await self._registration(state) if over and state is not None else None
        start = 0
        while start < len(frames):
            some = frames[start : start + TOGETHER]
            if state is not None and _blends(state):
                drawn = await self._blended(held, some, wanted, state, over, registration)
            elif state is None:
                drawn = await self.run(held, drawing.frames, some, wanted)
            else:
                async with self._file(state) as path:
                    drawn = await self.run(held, drawing.states, some, path, wanted)
            for pair in zip(some, drawn, strict=False):
                yield pair
            start += len(drawn)

    async def referenced(self, state: Held) -> Presented:
        """What a presentation state is for, of what is here. Raises NotAcceptable where nothing is."""
        named = await asyncio.to_thread(referenced.references, state.key, await self._attributes(state.key))
        found = await self._found(named)
        if not found:
            raise NotAcceptable("none of the images that the presentation state refers to is here")
        return Presented(referenced.in_order(found), len(named))

    async def shown_by(self, state: Held | None) -> str:
        """The versions of all that a state adds to the image it shows; the same as long as nothing of it changes."""
        if state is None:
            return ""
        over = await self._superimposed(state) if _blends(state) else []
        registration = await self._registration(state) if over else None
        others = [image for image, _, _ in over] + ([registration] if registration is not None else [])
        return " ".join(each.version.version for each in (state, *others))

    async def _superimposed(self, state: Held) -> list[Shown[Held]]:
        named = await asyncio.to_thread(referenced.superimposed, state.key, await self._attributes(state.key))
        found = await self._found(named)
        if not found:
            raise NotAcceptable("none of the images that the presentation state lays over others is here")
        return found

    async def _registration(self, state: Held) -> Held | None:
        """The first spatial registration that a blending state names and that is here."""
        named = await asyncio.to_thread(referenced.registrations, state.key, await self._attributes(state.key))
        for key in named:
            try:
                held = await self.shelf.instance(key)
            except NotFound:
                continue
            if held.version.sop_class == SPATIAL_REGISTRATION:
                return held
        return None

    async def _found(self, named: Mapping[InstanceKey, tuple[int, ...]]) -> list[Shown[Held]]:
        found: list[Shown[Held]] = []
        for key, numbers in named.items():
            try:
                held = await self.shelf.instance(key)
            except NotFound:
                continue
            if nature_of(held) is Nature.IMAGE:
                frames = every_frame(held)
                wanted = tuple(number for number in numbers if number in frames) if numbers else frames
                if wanted:
                    found.append((held, await self._attributes(key), wanted))
        return found

    async def _blended(
        self,
        held: Held,
        frames: Sequence[int],
        wanted: Rendering,
        state: Held,
        over: Sequence[Shown[Held]],
        registration: Held | None,
    ) -> list[bytes]:
        attributes = await self._attributes(held.key)
        register = await self._attributes(registration.key) if registration is not None else None
        partners = [referenced.partner(attributes, number, over, register) for number in frames]
        async with AsyncExitStack() as opened:
            by_state = await opened.enter_async_context(self._file(state))
            by_registration = await opened.enter_async_context(self._file(registration)) if registration else ""
            others: list[tuple[str, int] | None] = []
            for other in partners:
                path = await opened.enter_async_context(self._file(other[0])) if other is not None else ""
                others.append((path, other[1]) if other is not None else None)
            return await self.run(held, drawing.blended, frames, by_state, others, wanted, by_registration)

    async def _attributes(self, key: InstanceKey) -> Attributes:
        def read() -> Attributes:
            (row,) = self.shelf.catalog.holdings.metadata(key)
            return Attributes(orjson.loads(row))

        return await asyncio.to_thread(read)

    async def animation(self, held: Held, frames: Sequence[int], wanted: Rendering) -> bytes:
        """The frames as one animated GIF. Raises NotAcceptable where they are more than anybody watches."""
        if len(frames) > MOST_ANIMATED:
            raise NotAcceptable(f"an animation has at most {MOST_ANIMATED} frames")
        return await self.run(held, drawing.animation, frames, wanted)

    async def report(self, held: Held, media_type: str) -> bytes:
        """A structured report as text, UTF-8. Raises NotAcceptable where it has no content tree."""
        return await self.run(held, drawing.report, media_type)

    async def run(self, held: Held, work: Callable[Concatenate[str, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """``work`` on the instance's file in the pool; what kills the decoder counts as undecodable."""
        try:
            async with self._file(held) as path:
                return await self.pool.run(work, path, *args, **kwargs)
        except OutOfResources:
            raise
        except BackendFailed as error:
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


def _blends(state: Held) -> bool:
    return state.version.sop_class == _BLENDING


def every_frame(held: Held) -> Sequence[int]:
    """The numbers of all frames that can be drawn. There may be millions, so they are not written out."""
    if held.index is None or nature_of(held) is not Nature.IMAGE:
        return ()
    return range(1, held.index.count + 1)


def middle_frame(held: Held) -> int:
    """What stands for a multi-frame image where only one picture can be given (R-03, R-23)."""
    return (held.index.count + 1) // 2 if held.index is not None else 0
