"""Wake-up calls between processes. Lossy by contract: whoever waits also polls now and then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

TICKETS = "tickets"
"""Something was put on a queue."""
COLLECTIONS = "collections"
"""A collection was asked for."""
CHANGED = "changed"
"""The catalog changed; the key is that of a study, series or instance, '/'-joined."""


class Signals(Protocol):
    def announce(self, topic: str, key: str = "") -> None:
        """Tell every listening process. Never blocks, never raises."""

    def wait(self, topics: Sequence[str], *, timeout_seconds: float) -> tuple[str, str] | None:
        """Block until one of ``topics`` is announced; None when the time is over."""

    def close(self) -> None: ...
