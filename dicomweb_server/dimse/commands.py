"""DIMSE command sets: a few elements in Implicit VR Little Endian (PS3.7 6.3, annex E), read and built by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from dicomweb_server.dimse.pdus import ProtocolError

_ELEMENT = struct.Struct("<HHI")
NO_DATA_SET = 0x0101


class Field(IntEnum):
    """Command fields (PS3.7 E.1). A response has the top bit set."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030
    C_CANCEL_RQ = 0x0FFF
    RESPONSE = 0x8000


class Element(IntEnum):
    """Element numbers of group 0000 (PS3.7 E.1)."""

    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS = 0x0002
    REQUESTED_SOP_CLASS = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_RESPONDED_TO = 0x0120
    DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE = 0x1000
    MOVE_ORIGINATOR_AET = 0x1030
    MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


@dataclass(frozen=True, slots=True)
class Command:
    """What a request says of itself."""

    field: int
    message_id: int
    has_data_set: bool
    sop_class: str
    sop_instance: str
    move_originator_aet: str | None = None
    move_message_id: int | None = None


def read(body: bytes) -> Command:
    """Raises ProtocolError when it is no command set, or lacks what every request has."""
    values = _elements(body)
    field = _number(values, Element.COMMAND_FIELD)
    data_set_type = _number(values, Element.DATA_SET_TYPE)
    if field is None or data_set_type is None:
        raise ProtocolError("command set without command field or data set type")
    sop_class = _text(values, Element.AFFECTED_SOP_CLASS) or _text(values, Element.REQUESTED_SOP_CLASS)
    return Command(
        field=field,
        message_id=_number(values, Element.MESSAGE_ID) or 0,
        has_data_set=data_set_type != NO_DATA_SET,
        sop_class=sop_class,
        sop_instance=_text(values, Element.AFFECTED_SOP_INSTANCE),
        move_originator_aet=_text(values, Element.MOVE_ORIGINATOR_AET) or None,
        move_message_id=_number(values, Element.MOVE_ORIGINATOR_MESSAGE_ID),
    )


def response(request: Command, status: int, comment: str = "") -> bytes:
    """The response to ``request``: no data set, and an Error Comment of at most 64 characters where there is one."""
    elements = [
        _uid(Element.AFFECTED_SOP_CLASS, request.sop_class),
        _us(Element.COMMAND_FIELD, request.field | Field.RESPONSE),
        _us(Element.MESSAGE_ID_RESPONDED_TO, request.message_id),
        _us(Element.DATA_SET_TYPE, NO_DATA_SET),
        _us(Element.STATUS, status),
    ]
    if comment:
        elements.append(_element(Element.ERROR_COMMENT, comment[:64].encode("ascii", "replace"), b" "))
    if request.sop_instance:
        elements.append(_uid(Element.AFFECTED_SOP_INSTANCE, request.sop_instance))
    body = b"".join(elements)
    return _element(Element.GROUP_LENGTH, struct.pack("<I", len(body))) + body


def _elements(body: bytes) -> dict[int, bytes]:
    values = {}
    at = 0
    while at < len(body):
        if at + _ELEMENT.size > len(body):
            raise ProtocolError("command element cut short")
        group, element, length = _ELEMENT.unpack_from(body, at)
        at += _ELEMENT.size
        if group != 0 or length > len(body) - at:
            raise ProtocolError("not a command set")
        values[element] = body[at : at + length]
        at += length
    return values


def _number(values: dict[int, bytes], element: Element) -> int | None:
    value = values.get(element, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else None


def _text(values: dict[int, bytes], element: Element) -> str:
    text = values.get(element, b"").decode("ascii", "replace").strip(" \0")
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def _us(element: Element, value: int) -> bytes:
    return _element(element, struct.pack("<H", value))


def _uid(element: Element, text: str) -> bytes:
    return _element(element, text[:64].encode("ascii", "replace"), b"\0")


def _element(element: Element, value: bytes, padding: bytes = b"\0") -> bytes:
    if len(value) % 2:
        value += padding
    return _ELEMENT.pack(0, element, len(value)) + value
