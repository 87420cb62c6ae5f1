"""A real server on a loopback socket, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from dicomweb_server.web.protocol import Bounds
from dicomweb_server.web.server import make_server

Address = tuple[str, int]


@contextmanager
def serving(app: ASGIApp, bounds: Bounds | None = None) -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = make_server(app, bounds=bounds, graceful_seconds=1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[:2]
        finally:
            server.should_exit = True
            thread.join()


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=10)


def read_all(peer: socket.socket) -> bytes:
    """Everything until the other side closes; a reset is an end as well."""
    received = b""
    try:
        while piece := peer.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
