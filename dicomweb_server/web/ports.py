"""What the HTTP door needs of the stages below, in its own words."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from dicomweb_server.model.ids import Scope
from dicomweb_server.model.records import LOCAL, Origin, Outcome, Principal


class Receiving(Protocol):
    """What this door needs of ``ingest.receive``."""

    def stage(self) -> Path:
        """A fresh path for an arrival."""

    def submit(
        self, staged: Path, origin: Origin, *, study: str | None = None, principal: Principal = LOCAL
    ) -> Future[Outcome]:
        """Done when durable; raises Rejected, OutOfResources. The staged file is receive's from now on."""


class Deleting(Protocol):
    """Removal of what is stored. Blocks."""

    def __call__(self, scope: Scope, *, principal: Principal = LOCAL) -> None:
        """Bytes, metadata, thumbnails and search entries are gone on return. Raises NotFound, Gone."""
