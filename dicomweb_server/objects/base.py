"""Bytes at rest. Instances are created once under keys never shared; derived documents may be replaced whole.

Writing blocks and is meant for threads that gather a batch (the group commit); reading is for the event loop.
Keys are made by ``objects.layout`` only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicomweb_server.model.records import Span


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int
    modified: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A finished file in the staging folder, and the key it is to have."""

    path: Path
    key: str


class ObjectStore(Protocol):
    def staging(self) -> Path:
        """A local folder for arrivals, on the file system of the objects where that is a folder.

        What lies there longer than a grace time belongs to nobody and is swept.
        """

    def adopt(self, batch: Sequence[Staged]) -> None:
        """Take staged files in under their keys, all durable on return (files, and every folder made, synced).

        One sync pass for the batch. Raises OutOfResources when the disk is full, BackendFailed otherwise; what was
        adopted until then may stay as an orphan for the sweep.
        """

    def replace(self, key: str, body: bytes, *, durable: bool = True) -> None:
        """Store a derived document: a reader sees old bytes or new, never a mixture.

        Durable on return, unless that is not asked for: what can be made again need not wait for the disk.
        """

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; removing what is not there is no error."""

    def stat(self, key: str) -> ObjectInfo:
        """Raises NotFound."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object under ``prefix``, in no order."""

    def local(self, key: str) -> str | None:
        """A path the bytes can be read from right now, or None if this store has none. Never checks existence."""

    async def read(self, key: str, span: Span | None = None) -> bytes:
        """Return the object, or ``span`` of it; a span past the end is cut. Raises NotFound."""

    def stream(self, key: str, span: Span | None = None) -> AsyncIterator[bytes]:
        """Yield the object in chunks. Raises NotFound before the first chunk."""

    async def direct_url(self, key: str, *, seconds: int) -> str | None:
        """A URL the client may read by itself for ``seconds``, or None if this store has none."""

    def close(self) -> None: ...
