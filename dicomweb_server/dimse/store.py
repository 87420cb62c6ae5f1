"""C-STORE: the data set goes to a staged Part 10 file as it comes, and is answered when it is durable (D-13)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from dicomweb_server.dicom import part10
from dicomweb_server.dimse import statuses
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.contexts import VERIFICATION
from dicomweb_server.dimse.statuses import Answer
from dicomweb_server.model.errors import BackendFailed, DicomwebError, OutOfResources, TooLarge
from dicomweb_server.model.ids import is_uid
from dicomweb_server.model.records import Door, Origin, Outcome

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}


class Receives(Protocol):
    """What C-STORE needs of ``ingest.receive``."""

    def stage(self) -> Path:
        """A new name in the staging folder. Raises OutOfResources when nothing more may come in."""

    def receive_now(self, staged: Path, origin: Origin, *, sop_class: str, sop_instance: str) -> Outcome:
        """Store a staged file; durable on return. The file is gone afterwards, also when this raises.

        Raises Rejected, with reason A900 when the data set is not the ``sop_instance`` of ``sop_class``, or
        BackendFailed.
        """


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Peers:
    """Who talks to whom on an association."""

    calling_aet: str
    called_aet: str
    address: str


@dataclass(frozen=True, slots=True)
class StoreHandler:
    receive: Receives
    data_set_size: int
    """The longest data set taken, in bytes."""

    def __call__(self, command: Command, context: Context, peers: Peers, parts: Iterator[memoryview]) -> Answer:
        """Runs on the association's thread; answers when the group commit has made the bytes safe.

        ``parts`` is always read to its end, so that the next message can follow. What ``parts`` raises passes
        through, and leaves no file.
        """
        refusal = _refusal(command, context)
        if refusal is not None:
            _drain(parts)
            return refusal
        try:
            staged = self.receive.stage()
        except DicomwebError as error:
            _drain(parts)
            return statuses.of_error(error)
        try:
            self._write(staged, _file_meta(command, context, peers), parts)
            return statuses.of_outcome(
                self.receive.receive_now(
                    staged, _origin(command, peers), sop_class=command.sop_class, sop_instance=command.sop_instance
                )
            )
        except DicomwebError as error:
            return statuses.of_error(error)
        finally:
            with suppress(OSError):
                staged.unlink()

    def _write(self, staged: Path, head: bytes, parts: Iterator[memoryview]) -> None:
        try:
            with open(staged, "xb", buffering=0) as file:
                _write_all(file, memoryview(head))
                left = self.data_set_size
                for part in parts:
                    left -= len(part)
                    if left < 0:
                        raise TooLarge(f"data set of more than {self.data_set_size} bytes")
                    _write_all(file, part)
        except OSError as error:
            _drain(parts)
            raise _translated(error) from error
        except TooLarge:
            _drain(parts)
            raise


def _refusal(command: Command, context: Context) -> Answer | None:
    if context.abstract_syntax == VERIFICATION:
        return Answer(statuses.SOP_CLASS_NOT_SUPPORTED, "the presentation context is for verification")
    if command.sop_class != context.abstract_syntax:
        return Answer(statuses.MISMATCH, "SOP class is not that of the presentation context")
    if not is_uid(command.sop_instance):
        return Answer(statuses.INVALID_SOP_INSTANCE, "not a SOP Instance UID")
    return None


def _origin(command: Command, peers: Peers) -> Origin:
    return Origin(
        Door.CSTORE,
        calling_aet=peers.calling_aet,
        move_originator_aet=command.move_originator_aet,
        move_message_id=command.move_message_id,
    )


def _file_meta(command: Command, context: Context, peers: Peers) -> bytes:
    return part10.file_meta(
        command.sop_class,
        command.sop_instance,
        context.transfer_syntax,
        source_aet=peers.calling_aet,
        sending_aet=peers.calling_aet,
        receiving_aet=peers.called_aet,
    )


def _write_all(file: BinaryIO, part: memoryview) -> None:
    while part:
        part = part[file.write(part) :]


def _drain(parts: Iterator[memoryview]) -> None:
    for _ in parts:
        pass


def _translated(error: OSError) -> BackendFailed:
    if error.errno in _FULL:
        return OutOfResources("no space to store the instance")
    return BackendFailed("the instance could not be written")
