"""Work in processes that may be killed: decoders, and parsing that is not our own bounded reader."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""For whom calls are made; callers take turns."""


class Pool(Protocol):
    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a picklable function in a pool process and return what it returns.

        A DicomwebError it raises comes through. Raises BackendFailed when the process was killed for its time or
        memory, or died, the pool being whole again at once; it passes where somebody else ended the process.
        OutOfResources when too many wait already, or it waited too long. A call that takes long may be ended and begun
        anew: what it writes, it writes from the start.

        A call on a file that hung or broke its process is answered so again for a while, whoever makes it: the same
        function with the same positional arguments. What does not matter to that belongs into keyword arguments.
        """

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for threads."""

    def close(self) -> None: ...


listeners: list[Callable[[], None]] = []
"""Who is told by ``image_done``: the process that runs the call, if it is one of a pool."""


def image_done() -> None:
    """Said by work on many images in one call: one more is done, and the time limit begins anew for the next."""
    for told in listeners:
        told()
