"""What one store request hands to receive, and what became of it.

While the request goes on, its instances gather there: nobody waits for an answer before, and a commit of many costs
little more than one of one.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from dicomweb_server.model.errors import DicomwebError, Rejected, TooLarge
from dicomweb_server.model.records import LOCAL, Company, Door, Origin, Outcome
from dicomweb_server.web import store_answer
from dicomweb_server.web.ports import Receiving
from dicomweb_server.web.staging import StagedFile
from dicomweb_server.web.upload import UploadLimits

IN_FLIGHT = 256
"""Instances of one request that wait for receive at a time."""

TOGETHER = 16
"""Instances of one request that may wait for each other: while they are synced, the next come in."""


@dataclass
class Batch:
    """The instances of one request, in the order they came. A context manager around the reading of its body."""

    receive: Receiving
    study: str | None
    limits: UploadLimits
    handed: list[Future[Outcome] | Rejected] = field(default_factory=list)
    company: Company = field(default_factory=lambda: Company(to_come=True))

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.receive.complete(self.company)
        if isinstance(error, DicomwebError):
            await self.settled()

    def new_file(self) -> StagedFile:
        return StagedFile(self.receive.stage())

    async def write(self, file: StagedFile, content: bytes) -> None:
        if file.size + len(content) > self.limits.max_part:
            raise TooLarge(f"a part is longer than {self.limits.max_part} bytes")
        await file.write(content)

    async def hand_over(self, file: StagedFile) -> None:
        content = None
        if file.in_memory and self.receive.takes_in_memory(file.size):
            content = file.content()
        else:
            await file.close()
        file.keep()
        await self.submit(file.path, content)

    async def submit(self, staged: Path, content: bytes | None = None) -> None:
        """Hand over a file. A sender faster than receive waits here, instead of filling the staging folder."""
        if len(self.handed) >= IN_FLIGHT:
            await _settled(self.handed[-IN_FLIGHT])
        if len(self.handed) % TOGETHER == TOGETHER - 1:
            self.receive.complete(self.company)
            self.company = Company(to_come=True)
        self.handed.append(
            self.receive.submit(
                staged,
                Origin(Door.STOW),
                study=self.study,
                principal=LOCAL,
                company=self.company,
                content=content,
            )
        )

    def refuse(self, text: str, *, sop_class: str | None = None, sop_instance: str | None = None) -> None:
        reason = store_answer.CANNOT_UNDERSTAND
        self.handed.append(Rejected(text, reason=reason, sop_class=sop_class, sop_instance=sop_instance))

    async def settled(self) -> list[Outcome | DicomwebError]:
        """Wait until each instance is durable or refused."""
        return [await _settled(one) for one in self.handed]


async def _settled(one: Future[Outcome] | Rejected) -> Outcome | DicomwebError:
    if isinstance(one, Rejected):
        return one
    try:
        if one.done():
            return one.result()
        return await asyncio.wrap_future(one)
    except DicomwebError as error:
        return error
