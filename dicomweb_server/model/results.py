"""What a stage says of each ticket it was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Worked off, or nothing to do any more."""


@dataclass(frozen=True, slots=True)
class Again:
    """Not yet; look again after ``seconds``. This is no failure and costs no attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work; the policy of the worker decides what follows."""

    error: Exception
    final: bool = False
    """Whether the row says already that it is given up."""


Result = Done | Again | Failed
DONE = Done()
