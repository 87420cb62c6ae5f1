"""DIMSE messages out of P-DATA-TF PDUs: a command set, gathered, and its data set, streamed (PS3.8 annex E)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dicomweb_server.dimse import commands
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.pdus import AbortReason, Fragment, Kind, PeerGone, ProtocolError, Wire

HEAD_SIZE = 6
COMMAND_SIZE = 16 * 1024
"""Far above any command set; most have 150 bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    context: int
    command: Command


class Messages:
    """What the peer of an established association says, message by message.

    A message's data set must be read to its end, or the association given up, before the next message.
    """

    def __init__(
        self, wire: Wire, contexts: Collection[int], *, pdu_size: int, idle_seconds: float, pdu_seconds: float
    ) -> None:
        self._wire = wire
        self._contexts = contexts
        self._pdu_size = pdu_size
        self._idle_seconds = idle_seconds
        self._pdu_seconds = pdu_seconds
        self._left = 0
        """Bytes of the current PDU not read yet."""

    def wait(self) -> Kind:
        """Wait for the next message; the kind of PDU that came. Raises TimedOut when the peer is idle too long."""
        if self._left:
            return Kind.DATA
        self._wire.wait_until(self._idle_seconds)
        return self._next_pdu()

    def read(self) -> Message:
        """The message whose first PDU ``wait`` saw. Raises ProtocolError, PeerGone or TimedOut."""
        fragment = self._fragment(command=True)
        parts, size = [], 0
        while True:
            size += HEAD_SIZE + fragment.size  # or a peer could send empty fragments without end
            if size > COMMAND_SIZE:
                raise ProtocolError("command set without end")
            parts.append(self._wire.take(fragment.size))
            if fragment.is_last:
                return Message(fragment.context, commands.read(b"".join(parts)))
            fragment = self._fragment(command=True, context=fragment.context)

    def data_set(self, context: int) -> Iterator[memoryview]:
        """The data set of the message just read, as it comes; each part is valid until the next is asked for."""
        while True:
            fragment = self._fragment(command=False, context=context)
            left = fragment.size
            while left:
                part = self._wire.some(left)
                left -= len(part)
                yield part
            if fragment.is_last:
                return

    def _fragment(self, *, command: bool, context: int | None = None) -> Fragment:
        if not self._left:
            self._continue()
        fragment = self._wire.fragment(self._left)
        self._left -= 6 + fragment.size
        if fragment.context not in self._contexts:
            raise ProtocolError(f"no presentation context {fragment.context} was accepted")
        if fragment.is_command is not command or context not in (None, fragment.context):
            raise ProtocolError("messages are mixed up", AbortReason.UNEXPECTED_PARAMETER)
        return fragment

    def _continue(self) -> None:
        """Go on to the next PDU of an unfinished message."""
        kind = self._next_pdu()
        if kind is Kind.ABORT:
            raise PeerGone
        if kind is not Kind.DATA:
            raise ProtocolError(f"{kind.name} within a message", AbortReason.UNEXPECTED_PDU)

    def _next_pdu(self) -> Kind:
        kind, length = self._wire.header(self._pdu_size)
        self._wire.wait_until(self._pdu_seconds)
        if kind == Kind.DATA:
            if not length:
                raise ProtocolError("P-DATA-TF without a presentation data value")
            self._left = length
        else:
            self._wire.skip(length)
        return Kind(kind)
