"""When to try again, and when to give up."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.model.errors import BackendFailed, DicomwebError


def passing(error: Exception) -> bool:
    """Whether trying again may help. What was not raised on purpose may be anything, so it gets its tries."""
    if isinstance(error, BackendFailed):
        return error.passing
    return not isinstance(error, DicomwebError)


@dataclass(frozen=True, slots=True)
class Policy:
    attempts: int = 5
    first_delay: float = 2.0
    longest_delay: float = 600.0

    def delay_after(self, attempt: int, error: Exception, *, jitter: float) -> float | None:
        """Seconds to wait before the next attempt, or None to give up. ``jitter`` is a random number in [0, 1)."""
        if attempt >= self.attempts or not passing(error):
            return None
        delay: float = min(self.first_delay * 2.0 ** (attempt - 1), self.longest_delay)
        return delay * (0.75 + 0.5 * jitter)
