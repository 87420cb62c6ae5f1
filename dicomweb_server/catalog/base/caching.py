"""What may leave the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.ids import Scope, SeriesKey


@dataclass(frozen=True, slots=True)
class Cached:
    """A series of which something could come from its source again."""

    key: SeriesKey
    size: int
    """Bytes that its leaving sets free."""
    used: float
    """Unix time of its last view, or of its arrival."""


class Caching(Protocol):
    """Only what a source sent, and can send again, is spoken of here; never what was pushed, never what is pinned."""

    def viewed(self, keys: Sequence[SeriesKey]) -> None:
        """Somebody looks at these series now."""

    def size(self) -> int:
        """Bytes of all that may leave."""

    def oldest(self, *, unused_since: float, limit: int = 100) -> list[Cached]:
        """Series nobody viewed after ``unused_since``, the longest unused first."""

    def pin(self, scope: Scope, *, pinned: bool) -> int:
        """Keep what is in ``scope`` here, or no longer; the number of instances."""

    def evict(self, scope: Scope) -> list[str]:
        """What may leave ``scope`` becomes ANNOUNCED again; the object keys that belong to nobody now."""
