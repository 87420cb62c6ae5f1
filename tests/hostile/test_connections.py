"""Ten thousand connections to each door that say nothing or half of something: others are served all the while."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hostile.watching import serves
from tests.journeys.server import RunningServer

EACH = 5000
"""For each of two processes and each door: one process may not have files enough for all."""

CLIENT = """
import resource, socket, sys
port, count, said = int(sys.argv[1]), int(sys.argv[2]), [bytes.fromhex(word) for word in sys.argv[3:]]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
peers = []
for number in range(min(count, hard - 100)):
    peer = socket.socket()
    peer.settimeout(20)
    try:
        peer.connect(("127.0.0.1", port))
        peer.send(said[number % len(said)])
    except OSError:
        pass
    peers.append(peer)
print(len(peers), flush=True)
sys.stdin.read()
"""
HTTP_WORDS = (b"", b"GET /dicomweb/stu", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
DIMSE_WORDS = (b"", b"\x01\0\0", b"\x01\0\0\0\0\xcd\0\x01")


@pytest.mark.parametrize("door", ["http", "dimse"])
def test_ten_thousand_silent_connections(target: RunningServer, door: str) -> None:
    port = target.http.rpartition(":")[2] if door == "http" else str(target.dimse_port)
    words = [word.hex() for word in (HTTP_WORDS if door == "http" else DIMSE_WORDS)]
    command = [sys.executable, "-c", CLIENT, port, str(EACH), *words]
    clients = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        opened = 0
        for client in clients:
            assert client.stdout is not None
            opened += int(client.stdout.readline())
        assert opened == 2 * EACH
        for _ in range(5):
            assert serves(target)
    finally:
        for client in clients:
            client.communicate()
