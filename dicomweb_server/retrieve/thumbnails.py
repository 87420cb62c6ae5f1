"""The one small picture of a study, series, instance or frame (R-20 to R-24).

The one that background work drew is read from the object store; until it is there it is drawn on demand and kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec

import orjson

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.model.errors import BackendFailed, BadRequest, DicomwebError, Gone, NotFound, OutOfResources
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey
from dicomweb_server.model.records import Version
from dicomweb_server.objects import layout
from dicomweb_server.retrieve import drawing
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.shelf import Held, Shelf

P = ParamSpec("P")

log = logging.getLogger(__name__)

JPEG = "image/jpeg"
SIDE = 128
LARGEST = 2048
"""Pixels a side; more is no thumbnail."""


@dataclass(frozen=True, slots=True)
class Box:
    """What the picture is to fit in."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if not (0 < self.width <= LARGEST and 0 < self.height <= LARGEST):
            raise BadRequest(f"a thumbnail of {self.width} x {self.height}; at most {LARGEST} a side")


@dataclass(frozen=True, slots=True)
class Thumbnails:
    rendered: Rendered

    @property
    def _shelf(self) -> Shelf:
        return self.rendered.shelf

    async def representative(self, scope: Scope) -> Held:
        """The instance whose picture stands for ``scope``. Raises NotFound, Gone, NotReady.

        Of a series the middle one with pixels; of a study that of the series with most images. Where only some of
        them are here, one of these: nobody waits for a whole series to see a thumbnail.
        """
        if isinstance(scope, InstanceKey):
            return await self._shelf.instance(scope, within_seconds=0.0)
        chosen = await asyncio.to_thread(self._shelf.catalog.progress.representative, scope)
        if chosen is not None and (current := await asyncio.to_thread(self._current, chosen)) is not None:
            return self._shelf.held(current)
        try:
            found = await asyncio.to_thread(self._shelf.catalog.holdings.versions, scope)
        except Gone:
            raise
        except NotFound:
            return (await self._shelf.instances(scope))[0]
        return self._shelf.held(_middle(found))

    def _current(self, key: InstanceKey) -> Version | None:
        """None when it has left meanwhile: another is chosen."""
        return self._shelf.catalog.holdings.current([key]).get(key)

    async def picture(
        self, held: Held, *, frame: int | None = None, box: Box | None = None, media_type: str = JPEG
    ) -> bytes:
        """The thumbnail as a file of ``media_type``; the card of the modality where nothing can be drawn."""
        try:
            if frame is None and (box is None or max(box.width, box.height) <= SIDE):
                return await self._small(held, box, media_type)
            if box is None:
                box = Box(SIDE, SIDE)
            return await self.rendered.run(
                held, drawing.fitted_thumbnail, frame, width=box.width, height=box.height, media_type=media_type
            )
        except (OutOfResources, NotFound):
            raise
        except DicomwebError:
            return await self._card(held, box or Box(SIDE, SIDE), media_type)

    async def _small(self, held: Held, box: Box | None, media_type: str) -> bytes:
        finished = await self._finished(held)
        if box is None and media_type == JPEG:
            return finished
        box = box or Box(SIDE, SIDE)
        return await self._made(drawing.refitted, finished, box.width, box.height, media_type)

    async def _finished(self, held: Held) -> bytes:
        key = layout.thumbnail(held.key, held.version.version)
        objects = self._shelf.objects
        try:
            return await objects.read(key)
        except NotFound:
            drawn = await self.rendered.run(held, drawing.thumbnail, None)
        try:
            await asyncio.to_thread(objects.replace, key, drawn, durable=False)
        except BackendFailed as error:
            log.warning("the thumbnail of instance %s was not kept: %s", held.key.instance, error)
        return drawn

    async def _made(self, work: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> bytes:
        """What no stored pixels are needed for: when that fails, something else is wrong just now."""
        try:
            return await self.rendered.pool.run(work, *args, **kwargs)
        except OutOfResources:
            raise
        except BackendFailed as error:
            raise OutOfResources(f"the thumbnail cannot be made just now: {error}") from error

    async def _card(self, held: Held, box: Box, media_type: str) -> bytes:
        (row,) = await asyncio.to_thread(self._shelf.catalog.holdings.metadata, held.key)
        modality = Attributes(orjson.loads(row)).text("00080060")
        return await self._made(drawing.card, modality, box.width, box.height, media_type)


def _middle(versions: Sequence[Version]) -> Version:
    images = [version for version in versions if version.frames is not None] or list(versions)
    by_series: dict[SeriesKey, list[Version]] = {}
    for version in images:
        by_series.setdefault(version.key.of_series, []).append(version)
    largest = max(by_series.values(), key=len)
    return largest[(len(largest) - 1) // 2]
