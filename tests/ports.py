"""Ports of this machine for servers that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

OURS = range(15_000, 30_000)
"""Below those that Linux gives to outgoing connections, which would take a port between its choice and its use."""


def free_port() -> int:
    """One on which nobody listens. Raises RuntimeError."""
    for port in random.SystemRandom().sample(OURS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2.0):
        return True
    return False
