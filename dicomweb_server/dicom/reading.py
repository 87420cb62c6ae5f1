"""A whole file: its head, the stream its data set is read from, and the walk over it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dicomweb_server.dicom.deflated import inflated
from dicomweb_server.dicom.elements import Walked
from dicomweb_server.dicom.part10 import Head, read_head, sniff
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, TransferSyntax, syntax_of
from dicomweb_server.dicom.walk import KEEP_ARRAY, KEEP_BINARY, walk


@dataclass(frozen=True, slots=True)
class Opened:
    """Where a file's data set is to be read."""

    head: Head
    syntax: TransferSyntax
    stream: Source
    """The file, or the inflated data set."""
    start: int

    def walk(self, *, keep_binary: int = KEEP_BINARY, keep_array: int = KEEP_ARRAY) -> Walked:
        """Raises Rejected."""
        return walk(
            self.stream,
            self.start,
            explicit=self.syntax.explicit,
            little_endian=self.syntax.little_endian,
            keep_binary=keep_binary,
            keep_array=keep_array,
        )


def opened(source: Source) -> Opened:
    """Raises Rejected for a deflated data set beyond all bounds."""
    head = read_head(source)
    syntax = syntax_of(head.transfer_syntax)
    if syntax.deflated:
        stream = inflated(source, head.dataset_start)
        if stream is not None:
            return Opened(head, syntax, stream, 0)
        found = sniff(source.read(head.dataset_start, 12), source.size - head.dataset_start) or EXPLICIT_LE
        warnings = (*head.warnings, "the data set is not deflated although its transfer syntax says so")
        head = replace(head, transfer_syntax=found, sound=False, warnings=warnings)
        syntax = syntax_of(found)
    elif head.encoding is not None:
        found_syntax = syntax_of(head.encoding)
        syntax = replace(syntax, explicit=found_syntax.explicit, little_endian=found_syntax.little_endian)
    return Opened(head, syntax, source, head.dataset_start)


def stream_of(source: Source) -> Source:
    """What the places of frames and bulk values of a deflated file refer to: its inflated data set.

    Of any other file the file itself. Raises Rejected.
    """
    return opened(source).stream
