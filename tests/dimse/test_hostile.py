"""Peers that break the rules get an A-ABORT with its reason, and the server goes on (PS3.8 table 9-26)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomweb_server.dimse.server import Server
from tests.dimse import peer
from tests.dimse.conftest import FolderReceive
from tests.dimse.peer import CT, EXPLICIT, IMPLICIT, VERIFICATION

OPEN = peer.request((VERIFICATION, IMPLICIT), (CT, EXPLICIT))
STORE = peer.pdu(4, peer.pdv(peer.store_command(CT, "1.2.3"), is_command=True, context=3))


def part(size: int = 100, *, is_last: bool = False, context: int = 3) -> bytes:
    return peer.pdu(4, peer.pdv(bytes(size), is_command=False, is_last=is_last, context=context))


HOSTILE = {
    "not DICOM at all": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "a PDU of unknown type": (peer.pdu(9, b""), 1),
    "a request of 4 GB": (struct.pack(">BBI", 1, 0, 0xFFFFFFFF) + bytes(100), 6),
    "an empty request": (peer.pdu(1, b""), 6),
    "data before any association": (peer.ECHO, 2),
    "release before any association": (peer.RELEASE, 2),
    "an item longer than its PDU": (peer.pdu(1, OPEN[6:74] + b"\x10\0\xff\xff"), 6),
    "a context with an even id": (OPEN.replace(b"\x01\0\0\0\x30", b"\x02\0\0\0\x30"), 6),
    "the same context twice": (OPEN.replace(b"\x03\0\0\0\x30", b"\x01\0\0\0\x30"), 6),
    "a request in an association": (OPEN + OPEN, 2),
    "a PDU of 4 GB": (OPEN + struct.pack(">BBI", 4, 0, 0xFFFFFFFF), 6),
    "a PDU over what was agreed": (OPEN + struct.pack(">BBI", 4, 0, 200_000), 6),
    "a PDU of nothing": (OPEN + peer.pdu(4, b""), 6),
    "a value longer than its PDU": (OPEN + peer.pdu(4, struct.pack(">IBB", 9999, 1, 3) + bytes(10)), 6),
    "a value too short for itself": (OPEN + peer.pdu(4, struct.pack(">IBB", 1, 1, 3)), 6),
    "half a value head": (OPEN + peer.pdu(4, b"\0\0\0"), 6),
    "a context nobody accepted": (OPEN + peer.pdu(4, peer.pdv(peer.command(0x30), is_command=True, context=9)), 6),
    "a data set without a command": (OPEN + part(), 5),
    "a command within a data set": (OPEN + STORE + part() + peer.ECHO, 5),
    "a data set on another context": (OPEN + STORE + part(context=1), 5),
    "release within a data set": (OPEN + STORE + part() + peer.RELEASE, 2),
    "a command without end": (OPEN + 20 * peer.pdu(4, peer.pdv(bytes(4000), is_command=True, is_last=False)), 6),
    "a command of another group": (OPEN + peer.pdu(4, peer.pdv(b"\x08\0\x05\0\0\0\0\0", is_command=True)), 6),
    "a command element past the end": (OPEN + peer.pdu(4, peer.pdv(b"\0\0\0\x01\xff\xff\0\0", is_command=True)), 6),
    "an empty command": (OPEN + peer.pdu(4, peer.pdv(b"", is_command=True)), 6),
    "a response to nothing": (OPEN + peer.pdu(4, peer.pdv(peer.command(0x8030), is_command=True)), 5),
}


@pytest.mark.parametrize(("words", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_is_aborted_with_its_reason(server: Server, receive: FolderReceive, words: bytes, reason: int) -> None:
    assert peer.last_words(server.port, words)[-1] == (7, bytes((0, 0, 2, reason)))
    assert peer.echoes(server.port)
    assert not list(receive.staging.iterdir())


@pytest.mark.parametrize(
    "end",
    [b"", peer.ABORT, peer.pdu(4, peer.pdv(bytes(50), is_command=False, context=3))[:30]],
    ids=["eof", "abort", "cut"],
)
def test_an_image_broken_off_in_the_middle_leaves_nothing(server: Server, receive: FolderReceive, end: bytes) -> None:
    heard = peer.last_words(server.port, OPEN + STORE + part(5000) + part(5000) + end)
    assert [kind for kind, _ in heard] == [2]
    assert wait_for_silence(server)
    assert not list(receive.staging.iterdir())
    assert receive.files() == []


def test_a_connection_reset_in_the_middle_leaves_nothing(server: Server, receive: FolderReceive) -> None:
    with peer.Peer(server.port) as scu:
        scu.say(OPEN, STORE, part(5000))
        assert scu.hear()[0] == 2
        scu.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert wait_for_silence(server)
    assert not list(receive.staging.iterdir())
    assert peer.echoes(server.port)


def wait_for_silence(server: Server) -> bool:
    pause = threading.Event()
    return any(server.associations == 0 or pause.wait(0.01) for _ in range(1000))


class Recorder:
    """Stands between a sender and the server and keeps what the sender says."""

    def __init__(self, port: int) -> None:
        self.words = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._server = socket.create_connection(("127.0.0.1", port))
        self._threads = [threading.Thread(target=self._forward)]
        self._threads[0].start()

    def _forward(self) -> None:
        sender, _ = self._listening.accept()
        back = threading.Thread(target=_copy, args=(self._server, sender))
        back.start()
        while heard := sender.recv(65536):
            self.words += heard
            self._server.sendall(heard)
        self._server.shutdown(socket.SHUT_WR)
        back.join()
        sender.close()

    def close(self) -> None:
        self._threads[0].join()
        self._server.close()
        self._listening.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    while heard := source.recv(65536):
        target.sendall(heard)


@pytest.fixture
def recorded(server: Server, receive: FolderReceive) -> Iterator[bytes]:
    """Everything storescu says to store one image."""
    recorder = Recorder(server.port)
    sent = peer.dcmtk("storescu", recorder.port, "-xt", peer.sample(peer.CT_SLICE).path)
    recorder.close()
    assert sent.returncode == 0
    yield recorder.words


def broken(words: bytes, hits: list[tuple[int, bytes]], end: int | None) -> bytes:
    hit = bytearray(words)
    for place, value in hits:
        at = place % len(hit)
        hit[at : at + len(value)] = value
    return bytes(hit[:end])


# Most places in an image are pixels; half of the hits go to the heads of the first PDUs.
PLACES = st.one_of(st.integers(0, 400), st.integers(0, 1 << 20))
VALUES = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hits=st.lists(st.tuples(PLACES, VALUES), max_size=4), end=st.none() | st.integers(0, 12000))
def test_a_recorded_association_broken_anywhere_never_hurts_the_server(
    server: Server, receive: FolderReceive, recorded: bytes, hits: list[tuple[int, bytes]], end: int | None
) -> None:
    heard = peer.last_words(server.port, broken(recorded, hits, end))
    assert all(kind in {2, 3, 4, 6, 7} for kind, _ in heard)
    assert peer.echoes(server.port)
    assert wait_for_silence(server)
    assert not list(receive.staging.iterdir())
