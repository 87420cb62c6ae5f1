"""How data sets are answered: as DICOM JSON, or as Native DICOM Model XML, alone or in parts (C-24, C-36, Q-44)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import orjson
from starlette.requests import Request

from dicomweb_server.dicom.xmlmodel import to_xml
from dicomweb_server.model.errors import BadRequest, NotAcceptable
from dicomweb_server.web import caching, params
from dicomweb_server.web.mediatypes import ContentType, content_type, members
from dicomweb_server.web.services import services_of


class Form(StrEnum):
    JSON = "application/dicom+json"
    PLAIN_JSON = "application/json"
    XML = "application/dicom+xml"
    XML_PARTS = 'multipart/related; type="application/dicom+xml"'


SEARCH = (Form.JSON, Form.PLAIN_JSON, Form.XML_PARTS)
METADATA = (Form.JSON, Form.PLAIN_JSON, Form.XML_PARTS, Form.XML)
STORE = (Form.JSON, Form.PLAIN_JSON, Form.XML)

_NAMED = {
    "application/dicom+json": Form.JSON,
    "application/json": Form.PLAIN_JSON,
    "text/json": Form.PLAIN_JSON,
    "application/dicom+xml": Form.XML,
}
LONGEST = 8192
"""Characters of what is accepted that are looked at."""
_Q = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def form(request: Request, offered: tuple[Form, ...]) -> Form:
    """The best of ``offered``; the first is what a wildcard means (C-26). Raises NotAcceptable, BadRequest.

    The ``accept`` parameter goes before the header (C-21); what cannot be understood in either is passed over (C-25).
    """
    asked = params.single(request, "accept") if b"accept" in request.scope["query_string"] else None
    header = caching.field(request, b"accept")
    if header is None and not (asked and asked.value) and services_of(request).strict_accept:
        raise NotAcceptable("the request has no Accept header", available=tuple(offered))
    if asked is not None and "*" in asked.value:
        raise BadRequest("the accept parameter takes no wildcards")
    chosen = _best(asked.value[:LONGEST], offered) if asked is not None else None
    chosen = chosen or _best("*/*" if header is None else header[:LONGEST], offered)
    if chosen is None:
        raise NotAcceptable("none of the accepted types can be given here", available=tuple(offered))
    return chosen


@lru_cache(maxsize=1024)
def _best(accepts: str, offered: tuple[Form, ...]) -> Form | None:
    """By weight, then as listed; what a member names does not fall under a wildcard too (RFC 9110 12.5.1)."""
    named: dict[Form, float] = {}
    weights: dict[Form, float] = {}
    for member in (content_type(text) for text in members(accepts)):
        meant = _meant(member, offered) if member is not None else None
        weight = _weight(member) if member is not None else None
        if member is not None and meant is not None and weight is not None and meant in offered:
            weights.setdefault(meant, weight)
            if member.kind in _NAMED or member.root in _NAMED:
                named.setdefault(meant, weight)
    weights.update(named)
    wanted = [meant for meant, weight in weights.items() if weight > 0]
    return max(wanted, key=lambda meant: weights[meant]) if wanted else None


def _meant(member: ContentType, offered: Sequence[Form]) -> Form | None:
    if member.kind in ("*/*", "application/*"):
        return offered[0]
    if member.kind in ("multipart/related", "multipart/*"):
        return Form.XML_PARTS if member.root in ("application/dicom+xml", "*/*", "application/*", "") else None
    return _NAMED.get(member.kind)


def _weight(member: ContentType) -> float | None:
    """None for what is no weight."""
    text = member.parameters.get("q", "1")
    return float(text) if _Q.fullmatch(text) else None


def xml(match: bytes) -> bytes:
    """A data set in JSON as an XML document."""
    return to_xml(orjson.loads(match))


def xml_parts(matches: Sequence[bytes]) -> tuple[bytes, str]:
    """Data sets in JSON as one multipart body of XML documents, and its Content-Type (Q-44)."""
    documents = [xml(match) for match in matches]
    boundary = hashlib.blake2b(b"".join(documents), digest_size=16).hexdigest()
    head = f"--{boundary}\r\nContent-Type: {Form.XML}\r\n\r\n".encode()
    body = b"".join(head + document + b"\r\n" for document in documents)
    return body + f"--{boundary}--\r\n".encode(), f"{Form.XML_PARTS}; boundary={boundary}"
