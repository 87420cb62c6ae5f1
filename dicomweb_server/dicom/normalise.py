"""What a received file must look like before it is stored (T-16).

Every stored object is a Part 10 file with an empty preamble, a group 2 that tells the truth, and the data set
exactly as received.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.dicom.identity import identity
from dicomweb_server.dicom.part10 import PREAMBLE, file_meta
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.source import JoinedSource, Source

_TITLE = 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """The file to store is ``head`` followed by the received file from ``dataset_start`` on."""

    head: bytes
    dataset_start: int

    @property
    def in_place(self) -> bool:
        """Whether ``head`` can be written over the beginning of the received file."""
        return len(self.head) == self.dataset_start

    def view(self, received: Source) -> Source:
        """The file to store, before it is written."""
        return JoinedSource(self.head, received, self.dataset_start)


def prepare(received: Source) -> Prepared:
    """Find where the data set begins and what is to stand before it.

    Group 2 is kept where it is sound, and made anew where it is missing or wrong; then the data set is parsed for
    its UIDs, and Rejected raised where they are missing or contradict group 2.
    """
    file = opened(received)
    head = file.head
    if head.sound:
        kept = received.read(len(PREAMBLE), head.dataset_start - len(PREAMBLE))
        return Prepared(PREAMBLE + kept, head.dataset_start)
    found = identity(file.walk().elements, head)
    source_aet, sending_aet, receiving_aet = (_title(head.meta.get(0x00020000 | n)) for n in (0x16, 0x17, 0x18))
    made = file_meta(
        found.sop_class,
        found.sop_instance,
        head.transfer_syntax,
        source_aet=source_aet,
        sending_aet=sending_aet,
        receiving_aet=receiving_aet,
    )
    return Prepared(made, head.dataset_start)


def _title(text: str | None) -> str | None:
    return text if text and text.isascii() and len(text) <= _TITLE else None
