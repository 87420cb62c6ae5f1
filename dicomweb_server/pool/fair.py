"""Who waits, taken in turns: somebody who asks for much holds up nobody who asks for little."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Fair(Generic[T]):
    """One line for each caller; the lines are served in turns. Not for several threads at once."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()

    def put(self, caller: str, one: T) -> None:
        self._lines.setdefault(caller, deque()).append(one)

    def take(self) -> T:
        """The next one. Raises LookupError when nobody waits."""
        caller = next(iter(self._lines), None)
        if caller is None:
            raise LookupError("nobody waits")
        line = self._lines.pop(caller)
        one = line.popleft()
        if line:
            self._lines[caller] = line
        return one
