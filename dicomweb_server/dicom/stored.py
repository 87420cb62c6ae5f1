"""A stored file as whoever draws it needs it: attributes with their lookup tables, and frames one at a time.

This is what runs in a pool process: the header is parsed there once more, which is cheaper than sending it along.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.frames import FrameIndex, NativeFrames
from dicomweb_server.dicom.framing import frame_index
from dicomweb_server.dicom.jsonmodel import Unwritten
from dicomweb_server.dicom.pixels.facts import image_facts
from dicomweb_server.dicom.reading import opened
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.model.errors import NotAcceptable, Undecodable

_TABLES = 4 << 20
"""Palettes, lookup tables, overlays and ICC profiles up to this are read with the header."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored object."""

    attributes: Attributes
    transfer_syntax: str
    index: FrameIndex | None
    stream: Source

    @property
    def drawable(self) -> bool:
        """Whether it has frames that could be decoded one by one."""
        return self.index is not None and not self.index.video and self.index.count > 0

    def frame(self, number: int) -> tuple[bytes, Subject]:
        """The bytes of a frame, counted from 1, and what they belong to.

        Raises NotFound for a frame that is not there, NotAcceptable where there are no frames, Undecodable.
        """
        index = self.index
        if index is None or index.video:
            raise NotAcceptable("the instance has no frames that can be drawn")
        facts = image_facts(self.attributes, self.transfer_syntax)
        spans = index.spans(number)
        if sum(span.length for span in spans) > _LONGEST_FRAME:
            raise Undecodable("a frame is larger than this server decodes")
        raw = b"".join(self.stream.read(span.start, span.length) for span in spans)
        return index.take(number, raw), Subject(facts, self.attributes, number - 1)

    @property
    def middle_frame(self) -> int:
        return (self.index.count + 1) // 2 if self.index is not None else 0


_LONGEST_FRAME = 1 << 30


def stored(source: Source) -> Stored:
    """Read the header of a stored file. Raises Rejected."""
    file = opened(source)
    walked = file.walk(keep_binary=_TABLES)
    index = frame_index(walked, file.stream, file.syntax)
    native = isinstance(index, NativeFrames) and file.syntax.encapsulated
    return Stored(
        attributes=Attributes(Unwritten(walked.elements, little_endian=walked.little_endian)),
        transfer_syntax=EXPLICIT_LE if native else file.head.transfer_syntax,
        index=index,
        stream=file.stream,
    )
