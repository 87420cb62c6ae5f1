"""What the HTTP door needs of the stages below, in its own words."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from dicomweb_server.model.ids import Scope
from dicomweb_server.model.records import LOCAL, Company, Origin, Outcome, Principal


class Receiving(Protocol):
    """What this door needs of ``ingest.receive``."""

    def stage(self) -> Path:
        """A fresh path for an arrival."""

    def submit(
        self,
        staged: Path,
        origin: Origin,
        *,
        study: str | None = None,
        principal: Principal = LOCAL,
        company: Company | None = None,
        content: bytes | None = None,
    ) -> Future[Outcome]:
        """Done when durable; raises Rejected, OutOfResources. The staged file is receive's from now on.

        Given its ``content``, receive writes it too. Of a ``company`` some may wait for ``complete``.
        """

    def takes_in_memory(self, size: int) -> bool:
        """Whether so many bytes may be handed over as content now."""

    def complete(self, company: Company) -> None:
        """Nothing more of ``company`` is to come."""


class Deleting(Protocol):
    """Removal of what is stored. Blocks."""

    def __call__(self, scope: Scope, *, principal: Principal = LOCAL) -> None:
        """Bytes, metadata, thumbnails and search entries are gone on return. Raises NotFound, Gone."""
