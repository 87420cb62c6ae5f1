"""The values behind BulkDataURIs, and every bulk value of an instance (W-40 to W-48)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb_server.dicom.bulk import BulkValue, locate, read_value
from dicomweb_server.dicom.source import Source
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import LOCAL, Principal
from dicomweb_server.retrieve.shelf import FRAME_STALE_SECONDS, Held, Shelf

Path = tuple[int, ...]
"""Tag, or tag, number of the item from 1, tag, and so on."""

PIXELS = frozenset({"7FE00008", "7FE00009", "7FE00010"})


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk value and the instance it belongs to."""

    held: Held
    path: Path
    value: BulkValue

    @property
    def pixels(self) -> bool:
        return len(self.path) == 1 and f"{self.path[0]:08X}" in PIXELS


@dataclass(frozen=True, slots=True)
class Bulkdata:
    shelf: Shelf

    async def find(self, key: InstanceKey, path: Path, *, fresh: bool = False, principal: Principal = LOCAL) -> Bulk:
        """The value as it was a moment ago, or with ``fresh`` as it is now. Raises NotFound, Gone."""
        held = await self.shelf.instance(key, within_seconds=0.0 if fresh else FRAME_STALE_SECONDS)
        async with self.shelf.source(held) as source:
            return Bulk(held, path, await asyncio.to_thread(locate, source, path))

    async def read(self, bulk: Bulk) -> bytes:
        """The value in little endian, text as UTF-8 (W-43)."""
        async with self.shelf.source(bulk.held) as source:
            return await asyncio.to_thread(read_value, source, bulk.value)

    async def all(self, held: Held, *, pixels_only: bool = False) -> list[Bulk]:
        """Every bulk value of an instance, or its pixel data alone (W-41, W-42). Raises NotFound, Gone."""
        (row,) = await asyncio.to_thread(self.shelf.catalog.holdings.metadata, held.key)
        paths = [path for path in _references(orjson.loads(row), ()) if not pixels_only or _is_pixels(path)]
        if not paths:
            return []
        async with self.shelf.source(held) as source:
            return await asyncio.to_thread(_located, held, source, paths)


def _located(held: Held, source: Source, paths: Iterable[Path]) -> list[Bulk]:
    """What the metadata refers to and the file does not have is left out."""
    found = []
    for path in paths:
        with suppress(NotFound):
            found.append(Bulk(held, path, locate(source, path)))
    return found


def _is_pixels(path: Path) -> bool:
    return len(path) == 1 and f"{path[0]:08X}" in PIXELS


def _references(data_set: dict[str, Any], above: Path) -> Iterator[Path]:
    for tag, element in data_set.items():
        here = (*above, int(tag, 16))
        if "BulkDataURI" in element:
            yield here
        elif element["vr"] == "SQ":
            for number, item in enumerate(element.get("Value", ()), 1):
                yield from _references(item, (*here, number))
