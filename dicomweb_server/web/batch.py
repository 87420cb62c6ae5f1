"""What one store request hands to receive, and what became of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb_server.model.errors import DicomwebError, Rejected, TooLarge
from dicomweb_server.model.records import LOCAL, Door, Origin, Outcome
from dicomweb_server.web import store_answer
from dicomweb_server.web.ports import Receiving
from dicomweb_server.web.staging import StagedFile
from dicomweb_server.web.upload import UploadLimits

IN_FLIGHT = 256
"""Instances of one request that wait for receive at a time."""


@dataclass
class Batch:
    """The instances of one request, in the order they came."""

    receive: Receiving
    study: str | None
    limits: UploadLimits
    handed: list[Future[Outcome] | Rejected] = field(default_factory=list)

    def new_file(self) -> StagedFile:
        return StagedFile(self.receive.stage())

    async def write(self, file: StagedFile, content: bytes) -> None:
        if file.size + len(content) > self.limits.max_part:
            raise TooLarge(f"a part is longer than {self.limits.max_part} bytes")
        await file.write(content)

    async def hand_over(self, file: StagedFile) -> None:
        await file.close()
        file.keep()
        await self.submit(file.path)

    async def submit(self, staged: Path) -> None:
        """Hand over a file. A sender faster than receive waits here, instead of filling the staging folder."""
        if len(self.handed) >= IN_FLIGHT:
            await _settled(self.handed[-IN_FLIGHT])
        self.handed.append(self.receive.submit(staged, Origin(Door.STOW), study=self.study, principal=LOCAL))

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
        return await asyncio.wrap_future(one)
    except DicomwebError as error:
        return error
