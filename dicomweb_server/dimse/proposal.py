"""What a peer proposes when it asks for an association, and the answer: A-ASSOCIATE-RQ and -AC (PS3.8 9.3.2, 9.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from dicomweb_server.dimse.pdus import Kind, ProtocolError, pdu

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_ITEM = struct.Struct(">BxH")
_FIXED = struct.Struct(">H2x16s16s32x")
_LENGTH = struct.Struct(">H")


class Item(IntEnum):
    """Item types of PS3.8 9.3.2 and PS3.7 D.3."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    ACCEPTED_CONTEXT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION = 0x55
    EXTENDED_NEGOTIATION = 0x56
    COMMON_EXTENDED_NEGOTIATION = 0x57


@dataclass(frozen=True, slots=True)
class ProposedContext:
    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """``result`` by PS3.8 table 9-18: 0 accepted, 3 abstract syntax, 4 transfer syntaxes not supported."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(slots=True)
class Proposal:
    """An A-ASSOCIATE-RQ, read."""

    version: int
    called_aet: str
    calling_aet: str
    titles: bytes
    """Both AE titles as they came, to be echoed."""
    application_context: str = ""
    contexts: list[ProposedContext] = field(default_factory=list)
    maximum_length: int = 0
    """The longest PDU body the peer takes; 0 for any."""
    roles: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By SOP class: what the requestor offers to be, (SCU, SCP)."""
    extended: frozenset[str] = frozenset()
    """SOP classes with extended negotiation."""
    service_classes: dict[str, str] = field(default_factory=dict)
    """By SOP class: the service class its Common Extended Negotiation names."""
    implementation: str = ""


def read(body: bytes) -> Proposal:
    """Read the body of an A-ASSOCIATE-RQ PDU. Items of unknown types are passed over. Raises ProtocolError."""
    if len(body) < _FIXED.size:
        raise ProtocolError("association request cut short")
    version, called, calling = _FIXED.unpack_from(body)
    proposal = Proposal(version, _title(called), _title(calling), called + calling)
    for kind, value in _items(body[_FIXED.size :]):
        if kind == Item.APPLICATION_CONTEXT:
            proposal.application_context = _uid(value)
        elif kind == Item.PROPOSED_CONTEXT:
            proposal.contexts.append(_proposed(value))
        elif kind == Item.USER_INFORMATION:
            _read_user_information(proposal, value)
    ids = [context.id for context in proposal.contexts]
    if len(set(ids)) != len(ids) or any(number % 2 == 0 for number in ids):
        raise ProtocolError("presentation context ids are not distinct odd numbers")
    return proposal


def acceptance(
    proposal: Proposal,
    answers: Sequence[ContextAnswer],
    *,
    maximum_length: int,
    implementation: tuple[str, str],
    roles: Mapping[str, tuple[int, int]],
    extended: Mapping[str, bytes],
) -> bytes:
    """The A-ASSOCIATE-AC. ``implementation``: class UID and version name. What is not answered stays at its default:
    one operation at a time, no user identity.
    """
    user = [
        _item(Item.MAXIMUM_LENGTH, maximum_length.to_bytes(4, "big")),
        _item(Item.IMPLEMENTATION_CLASS, implementation[0].encode("ascii")),
    ]
    user += [_item(Item.ROLE_SELECTION, _counted(uid) + bytes(role)) for uid, role in roles.items()]
    user.append(_item(Item.IMPLEMENTATION_VERSION, implementation[1].encode("ascii")))
    user += [_item(Item.EXTENDED_NEGOTIATION, _counted(uid) + info) for uid, info in extended.items()]
    body = [
        bytes((0, 1, 0, 0)) + proposal.titles + bytes(32),
        _item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii")),
        *(_accepted(answer) for answer in answers),
        _item(Item.USER_INFORMATION, b"".join(user)),
    ]
    return pdu(Kind.ASSOCIATE_AC, b"".join(body))


def _items(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        if at + _ITEM.size > len(body):
            raise ProtocolError("item cut short")
        kind, length = _ITEM.unpack_from(body, at)
        at += _ITEM.size
        if at + length > len(body):
            raise ProtocolError("item longer than what holds it")
        yield kind, body[at : at + length]
        at += length


def _proposed(value: bytes) -> ProposedContext:
    if len(value) < 4:
        raise ProtocolError("presentation context cut short")
    abstract, transfer = "", []
    for kind, text in _items(value[4:]):
        if kind == Item.ABSTRACT_SYNTAX:
            abstract = _uid(text)
        elif kind == Item.TRANSFER_SYNTAX:
            transfer.append(_uid(text))
    return ProposedContext(value[0], abstract, tuple(transfer))


def _read_user_information(proposal: Proposal, body: bytes) -> None:
    extended = set()
    for kind, value in _items(body):
        if kind == Item.MAXIMUM_LENGTH and len(value) == 4:
            proposal.maximum_length = int.from_bytes(value, "big")
        elif kind == Item.IMPLEMENTATION_VERSION:
            proposal.implementation = _text(value)
        elif kind == Item.ROLE_SELECTION:
            uid, rest = _counted_uid(value)
            if len(rest) >= 2:
                proposal.roles[uid] = (rest[0], rest[1])
        elif kind == Item.EXTENDED_NEGOTIATION:
            extended.add(_counted_uid(value)[0])
        elif kind == Item.COMMON_EXTENDED_NEGOTIATION:
            sop_class, rest = _counted_uid(value)
            proposal.service_classes[sop_class] = _counted_uid(rest)[0]
    proposal.extended = frozenset(extended)


def _accepted(answer: ContextAnswer) -> bytes:
    syntax = _item(Item.TRANSFER_SYNTAX, answer.transfer_syntax.encode("ascii"))
    return _item(Item.ACCEPTED_CONTEXT, bytes((answer.id, 0, answer.result, 0)) + syntax)


def _item(kind: Item, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _counted(uid: str) -> bytes:
    return _LENGTH.pack(len(uid)) + uid.encode("ascii")


def _counted_uid(value: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(value[:2], "big")
    if len(value) < 2 + length:
        raise ProtocolError("UID longer than its item")
    return _uid(value[2 : 2 + length]), value[2 + length :]


def _uid(value: bytes) -> str:
    """A UID as text; some senders pad with NUL or space, which PS3.8 annex F does not allow and nobody minds."""
    return _text(value)[:64]


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


def _title(value: bytes) -> str:
    """An AE title; outer spaces mean nothing (PS3.8 table 9-11), and what no AE title may have becomes ``?``."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in _text(value))
