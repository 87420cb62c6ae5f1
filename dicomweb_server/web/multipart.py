"""Writes multipart/related bodies as viewers read them (P-01 to P-08, viewer expectations 1).

Part headers are written by hand: Cornerstone looks for ``Content-Type:`` in just that spelling. The boundary is made
from the name of the representation, so that a range of a body fits the next range of it (P-06).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from dicomweb_server.web import body
from dicomweb_server.web.body import Bytes, Piece


def boundary_of(representation: str) -> str:
    return hashlib.blake2b(representation.encode(), digest_size=20).hexdigest()


def outer(media_type: str, boundary: str, *, syntax: str | None = None) -> str:
    """The Content-Type of the whole."""
    named = f"; transfer-syntax={syntax}" if syntax else ""
    return f'multipart/related; type="{media_type}"{named}; boundary={boundary}'


def head(boundary: str, label: str, *, location: str, length: int | None, first: bool) -> bytes:
    """What stands before a part's payload."""
    opening = "" if first else "\r\n"
    told = "" if length is None else f"Content-Length: {length}\r\n"
    return (f"{opening}--{boundary}\r\nContent-Type: {label}\r\nContent-Location: {location}\r\n{told}\r\n").encode(
        "latin-1", "replace"
    )


def tail(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()


def related(boundary: str, parts: Iterable[tuple[str, str, Sequence[Piece]]]) -> list[Piece]:
    """The pieces of a body; each part is its label, its location and its payload."""
    pieces: list[Piece] = []
    for label, location, payload in parts:
        length = body.total(payload)
        pieces.append(Bytes(head(boundary, label, location=location, length=length, first=not pieces)))
        pieces.extend(payload)
    pieces.append(Bytes(tail(boundary)))
    return pieces
