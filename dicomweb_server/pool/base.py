"""Work in processes that may be killed: decoders, and parsing that is not our own bounded reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.records import Span

P = ParamSpec("P")
R = TypeVar("R")


class Pool(Protocol):
    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a picklable function in a pool process and return what it returns.

        A DicomwebError it raises comes through. Raises BackendFailed when the process was killed for its time or
        memory, or died, the pool being whole again at once; OutOfResources when too many wait already.
        """

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for threads."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file by name and place: what is sent to a pool process instead of the bytes themselves."""

    path: str
    spans: tuple[Span, ...]

    def read(self) -> bytes:
        """The spans, joined. Raises NotFound when the file is gone; short where its end cuts them off."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFound("the stored object is gone") from error
        try:
            return b"".join(os.pread(fd, span.length, span.start) for span in self.spans)
        finally:
            os.close(fd)
