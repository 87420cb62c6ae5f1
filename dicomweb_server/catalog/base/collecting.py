"""Collections that programs asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dicomweb_server.model.collections import Collection, ImageRecord, Member, Phase, StudyCounts
from dicomweb_server.model.ids import DEFAULT_TENANT, SeriesKey
from dicomweb_server.model.messages import Ticket


class Collections(Protocol):
    def create(self, collection: Collection, document: bytes = b"") -> bool:
        """Write a new one down, with the manifest it is made of; False where there is one of this id."""

    def get(self, id: str, tenant: str = DEFAULT_TENANT) -> Collection:
        """Raises NotFound."""

    def document(self, id: str, tenant: str = DEFAULT_TENANT) -> bytes:
        """The manifest it was made of. Raises NotFound."""

    def listed(self, *, limit: int = 100, offset: int = 0, tenant: str = DEFAULT_TENANT) -> list[Collection]:
        """The newest first, without their members."""

    def claim(self, *, seconds: float) -> Collection | None:
        """One that waits to be described, for nobody else for so long; None when there is none."""

    def later(self, id: str, reason: str, *, seconds: float) -> None:
        """Describe it again then."""

    def described(
        self, id: str, members: Sequence[Member], *, reason: str = "", tickets: Sequence[Ticket] = ()
    ) -> bool:
        """All of it is announced: LOADING. False when somebody else was first."""

    def end(self, id: str, phase: Phase, *, reason: str = "") -> bool:
        """READY or FAILED; False when it had ended before."""

    def again(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        """Describe and load it once more, with no attempts on its record; False when it is unknown."""

    def loading(self) -> list[Collection]:
        """Those of which something is on its way."""

    def untold(self) -> list[Collection]:
        """Ended ones of which nobody was told yet."""

    def told(self, id: str) -> None: ...

    def forget(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        """The record, not the images; False when it is unknown."""

    def expire(self, *, before: float) -> int:
        """Forget what ended before that Unix time."""

    def counts(self, id: str, tenant: str = DEFAULT_TENANT) -> list[StudyCounts]:
        """Of each study of it, in its order."""

    def images(self, key: SeriesKey) -> list[ImageRecord]:
        """Every image of a series, in its order."""
