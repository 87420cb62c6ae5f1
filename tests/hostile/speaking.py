"""HTTP as no client library would say it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from tests.journeys.server import RunningServer


@dataclass(frozen=True)
class Heard:
    """An answer as it came; ``status`` 0 when there was none."""

    whole: bytes

    @property
    def status(self) -> int:
        first = self.whole.split(b" ", 2)
        return int(first[1]) if len(first) == 3 else 0

    @property
    def body(self) -> bytes:
        return self.whole.partition(b"\r\n\r\n")[2]

    @property
    def reason(self) -> str:
        """What the answer says was wrong; empty when it says nothing."""
        try:
            told = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return self.body.decode(errors="replace")
        return str(told.get("detail", told) if isinstance(told, dict) else told)


def connect(server: RunningServer, *, seconds: float = 30.0) -> socket.socket:
    host, _, port = server.http.partition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def say(server: RunningServer, *pieces: bytes) -> Heard:
    """Send ``pieces`` as they are, and hear until the server closes."""
    with connect(server) as peer:
        with contextlib.suppress(OSError):
            for piece in pieces:
                peer.sendall(piece)
        return Heard(hear(peer))


def hear(peer: socket.socket) -> bytes:
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := peer.recv(65536):
            heard += piece
    return heard


def get(server: RunningServer, target: str | bytes, *fields: bytes) -> Heard:
    told = b"".join(field + b"\r\n" for field in fields)
    path = target.encode() if isinstance(target, str) else target
    return say(server, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + told + b"\r\n")


DICOM = b'multipart/related; type="application/dicom"; boundary=B'
JSON = b'multipart/related; type="application/dicom+json"; boundary=B'
XML = b'multipart/related; type="application/dicom+xml"; boundary=B'


def head(kind: bytes = DICOM, *fields: bytes) -> bytes:
    told = b"".join(field + b"\r\n" for field in fields)
    return (
        b"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
        + kind
        + b"\r\n"
        + told
        + b"\r\n"
    )


def post(server: RunningServer, body: bytes, kind: bytes = DICOM, *fields: bytes) -> Heard:
    return say(server, head(kind, b"Content-Length: %d" % len(body), *fields), body)


def parts(contents: Iterable[bytes], kind: bytes = b"application/dicom", *fields: bytes) -> bytes:
    """A whole body, each of ``contents`` in a part of its own."""
    told = b"".join(field + b"\r\n" for field in fields)
    opening = b"--B\r\nContent-Type: " + kind + b"\r\n" + told + b"\r\n"
    return b"".join(opening + content + b"\r\n" for content in contents) + b"--B--"
