"""Objects in memory, for tests and for trying things out. Arrivals still are files, in a temporary folder."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from dicomweb_server.model.errors import BackendFailed, NotFound
from dicomweb_server.model.records import Span
from dicomweb_server.objects.base import ObjectInfo, ObjectStore, Staged


class MemoryStore:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="staging-")
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def staging(self) -> Path:
        return Path(self._folder.name)

    def adopt(self, batch: Sequence[Staged]) -> None:
        for each in batch:
            with self._lock:
                if each.key in self._objects:
                    raise BackendFailed("an object of that key is there already")
                self._objects[each.key] = (each.path.read_bytes(), time.time())
        for each in batch:
            each.path.unlink()

    def replace(self, key: str, body: bytes, *, durable: bool = True) -> None:
        with self._lock:
            self._objects[key] = (body, time.time())

    def delete(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)

    def stat(self, key: str) -> ObjectInfo:
        body, modified = self._object(key)
        return ObjectInfo(key, len(body), modified)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            found = [(key, *value) for key, value in self._objects.items() if key.startswith(prefix)]
        return (ObjectInfo(key, len(body), modified) for key, body, modified in found)

    def local(self, key: str) -> str | None:
        return None

    async def read(self, key: str, span: Span | None = None) -> bytes:
        body, _ = self._object(key)
        return body if span is None else body[span.start : span.end]

    async def stream(self, key: str, span: Span | None = None) -> AsyncIterator[bytes]:
        body = await self.read(key, span)
        if body:
            yield body

    async def direct_url(self, key: str, *, seconds: int) -> str | None:
        return None

    def close(self) -> None:
        self._folder.cleanup()

    def _object(self, key: str) -> tuple[bytes, float]:
        with self._lock:
            try:
                return self._objects[key]
            except KeyError:
                raise NotFound(f"no object {key}") from None


_: type[ObjectStore] = MemoryStore
