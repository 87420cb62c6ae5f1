from __future__ import annotations

from collections.abc import Sequence


class Silence:
    """Signals that nobody hears."""

    def announce(self, topic: str, key: str = "") -> None: ...

    def wait(self, topics: Sequence[str], *, timeout_seconds: float) -> tuple[str, str] | None:
        return None

    def close(self) -> None: ...
