"""Work in processes that may be killed: decoders, and parsing that is not our own bounded reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Pool(Protocol):
    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a picklable function in a pool process and return what it returns.

        A DicomwebError it raises comes through. Raises BackendFailed when the process was killed for its time or
        memory, or died; the pool is whole again at once.
        """

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for threads."""

    def close(self) -> None: ...
