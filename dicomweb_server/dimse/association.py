"""One association, from its first byte to its last, on a thread of its own that blocks on the socket.

We negotiate ourselves rather than through pynetdicom: its reactor costs more than the images (prototypes: 3.5 ms
against 1.5 ms each), takes 74 ms to accept 171 contexts, and would have to be taken over by private names.
"""

from __future__ import annotations

import logging
import socket
import threading
from dataclasses import dataclass

from dicomweb_server.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicomweb_server.dimse import commands, proposal, statuses
from dicomweb_server.dimse.admission import TitleRules
from dicomweb_server.dimse.commands import Command, Field
from dicomweb_server.dimse.contexts import FULL_STORAGE, VERIFICATION, ContextRules
from dicomweb_server.dimse.messages import Message, Messages
from dicomweb_server.dimse.pdus import (
    RELEASED,
    AbortReason,
    Kind,
    PeerGone,
    ProtocolError,
    TimedOut,
    Wire,
    abort,
    data,
    rejection,
)
from dicomweb_server.dimse.proposal import Proposal
from dicomweb_server.dimse.statuses import Answer
from dicomweb_server.dimse.store import Context, Peers, StoreHandler

log = logging.getLogger(__name__)

REQUEST_SIZE = 512 * 1024
"""An A-ASSOCIATE-RQ with 128 contexts of 40 transfer syntaxes each has about 200 KB."""

PDU_SLACK = 4 * 1024
"""Some senders count the head of a PDU differently; as PDUs are streamed, a little more costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a peer may keep us waiting."""

    request_seconds: float = 30.0
    """From the connection to the whole A-ASSOCIATE-RQ (ARTIM, PS3.8 9.1.5)."""
    pdu_seconds: float = 60.0
    """From the head of a PDU to its end, and between the PDUs of a message."""
    idle_seconds: float = 300.0
    """Between messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every association of a server."""

    titles: TitleRules
    contexts: ContextRules
    timing: Timing
    pdu_size: int
    """The longest P-DATA-TF body we take, told to the peer."""


@dataclass(frozen=True, slots=True)
class _Agreed:
    contexts: dict[int, Context]
    peers: Peers
    pdu_limit: int


class Association:
    """The acceptor's side of one association. ``run`` returns when it is over, whatever the peer did."""

    def __init__(self, sock: socket.socket, address: str, rules: Rules, store: StoreHandler) -> None:
        self._sock = sock
        self._address = address
        self._rules = rules
        self._store = store
        self._wire = Wire(sock)
        self._lock = threading.Lock()
        self._idle = True
        self._ending = False

    def run(self) -> None:
        last_words = abort(AbortReason.NOT_SPECIFIED)
        try:
            last_words = self._serve()
        except ProtocolError as error:
            log.warning("association with %s aborted: %s", self._address, error)
            last_words = abort(error.reason)
        except TimedOut:
            log.info("association with %s aborted: no answer in time", self._address)
        except PeerGone:
            log.info("association with %s ended: connection closed", self._address)
            if not self._ending:
                last_words = b""
        finally:
            self._wire.finish(last_words)

    def end(self) -> None:
        """Let the running message finish, then abort. Called by another thread."""
        with self._lock:
            self._ending = True
            if self._idle:
                self.cut(socket.SHUT_RD)

    def cut(self, how: int = socket.SHUT_RDWR) -> None:
        """Wake the thread by closing the connection under it. Called by another thread."""
        try:
            self._sock.shutdown(how)
        except OSError:
            return  # closed already

    def _serve(self) -> bytes:
        """Negotiate and converse; what to say last."""
        agreed = self._negotiate()
        if isinstance(agreed, bytes):
            return agreed
        messages = Messages(
            self._wire,
            agreed.contexts,
            pdu_size=self._rules.pdu_size + PDU_SLACK,
            idle_seconds=self._rules.timing.idle_seconds,
            pdu_seconds=self._rules.timing.pdu_seconds,
        )
        while True:
            if not self._become(idle=True):
                return abort(AbortReason.NOT_SPECIFIED)
            kind = messages.wait()
            self._become(idle=False)
            if kind is Kind.RELEASE_RQ:
                return RELEASED
            if kind is Kind.ABORT:
                return b""
            if kind is not Kind.DATA:
                raise ProtocolError(f"{kind.name} on an established association", AbortReason.UNEXPECTED_PDU)
            self._answer(messages.read(), messages, agreed)

    def _become(self, *, idle: bool) -> bool:
        """False when the association is to end now."""
        with self._lock:
            self._idle = idle
            return not self._ending

    def _negotiate(self) -> _Agreed | bytes:
        """What was agreed and told to the peer, or the last words when it was not let in."""
        self._wire.wait_until(self._rules.timing.request_seconds)
        kind, length = self._wire.header(REQUEST_SIZE)
        if kind == Kind.ABORT:
            return b""
        if kind != Kind.ASSOCIATE_RQ:
            raise ProtocolError("the first PDU is no A-ASSOCIATE-RQ", AbortReason.UNEXPECTED_PDU)
        asked = proposal.read(self._wire.take(length))
        refusal = self._rules.titles.judge(asked, self._address)
        if refusal is not None:
            log.warning("association of %s from %s refused: %s", asked.calling_aet, self._address, refusal.text)
            return rejection(refusal.result, refusal.source, refusal.reason)
        return self._accept(asked)

    def _accept(self, asked: Proposal) -> _Agreed:
        answers = self._rules.contexts.answer(asked)
        syntaxes = {answer.id: answer.transfer_syntax for answer in answers if answer.result == 0}
        contexts = {
            context.id: Context(context.id, context.abstract_syntax, syntaxes[context.id])
            for context in asked.contexts
            if context.id in syntaxes
        }
        classes = {context.abstract_syntax for context in contexts.values()}
        self._wire.send(
            proposal.acceptance(
                asked,
                answers,
                maximum_length=self._rules.pdu_size,
                implementation=(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME),
                roles={uid: (scu, 0) for uid, (scu, _) in asked.roles.items() if uid in classes},
                extended={uid: FULL_STORAGE for uid in asked.extended & classes if uid != VERIFICATION},
            )
        )
        log.info("association of %s from %s: %d contexts", asked.calling_aet, self._address, len(contexts))
        peers = Peers(asked.calling_aet, asked.called_aet, self._address)
        return _Agreed(contexts, peers, asked.maximum_length)

    def _answer(self, message: Message, messages: Messages, agreed: _Agreed) -> None:
        command, context = message.command, agreed.contexts[message.context]
        if command.field == Field.C_CANCEL_RQ:
            return  # nothing we do takes long enough to be cancelled (PS3.7 9.3.2.3)
        if command.field & Field.RESPONSE:
            raise ProtocolError("a response to nothing asked", AbortReason.UNEXPECTED_PARAMETER)
        answer = self._perform(command, context, messages, agreed)
        self._wire.wait_until(self._rules.timing.pdu_seconds)
        body = commands.response(command, answer.status, answer.comment)
        self._wire.send(data(context.id, body, agreed.pdu_limit))

    def _perform(self, command: Command, context: Context, messages: Messages, agreed: _Agreed) -> Answer:
        if command.field == Field.C_STORE_RQ and command.has_data_set:
            answer = self._store(command, context, agreed.peers, messages.data_set(context.id))
            if answer.status:
                log.warning("%s from %s: %04X", command.sop_instance, agreed.peers.calling_aet, answer.status)
            return answer
        if command.has_data_set:
            for _ in messages.data_set(context.id):
                pass
        if command.field == Field.C_STORE_RQ:
            return Answer(statuses.CANNOT_UNDERSTAND, "no data set")
        if command.field == Field.C_ECHO_RQ:
            return Answer(statuses.SUCCESS)
        return Answer(statuses.UNRECOGNISED_OPERATION, "operation not supported")
