"""Caps before threads, deadlines for the silent, and a stop that finishes what runs (D-03, D-16)."""

from __future__ import annotations

import os
import resource
import socket
import threading

import pytest

from dicomweb_server.dimse.association import Timing
from dicomweb_server.dimse.server import Caps, Server
from tests.dimse import peer
from tests.dimse.conftest import FolderReceive, Start
from tests.dimse.peer import IMPLICIT, VERIFICATION
from tests.dimse.test_hostile import OPEN, STORE, part, wait_for_silence

LIMIT_REACHED = (3, bytes((0, 2, 3, 2)))


@pytest.mark.parametrize("caps", [Caps(associations=2), Caps(per_peer=2)], ids=["total", "per peer"])
def test_one_association_too_many_is_turned_away_for_now(start: Start, caps: Caps) -> None:
    server = start(caps=caps)
    with peer.Peer(server.port) as one, peer.Peer(server.port) as two, peer.Peer(server.port) as three:
        one.associate((VERIFICATION, IMPLICIT))
        two.associate((VERIFICATION, IMPLICIT))
        three.say(peer.request((VERIFICATION, IMPLICIT)))
        assert three.hear() == LIMIT_REACHED
        one.say(peer.RELEASE)
        assert one.hear()[0] == 6
        one.sock.close()
        two.say(peer.ABORT)
    assert wait_for_silence(server)
    assert peer.echoes(server.port)


def test_hundreds_of_silent_connections_cost_no_threads_beyond_the_cap(start: Start) -> None:
    server = start(caps=Caps(associations=3, turned_away=5, turned_away_seconds=0.2))
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    assert threading.active_count() <= before + 3
    for sock in silent:
        sock.close()
    assert wait_for_silence(server)
    assert peer.echoes(server.port)


def test_a_peer_that_never_asks_is_cut_off(start: Start) -> None:
    server = start(timing=Timing(request_seconds=0.2))
    with peer.Peer(server.port) as scu:
        assert scu.hear()[0] == 7
        assert scu.hear()[0] == 0


def test_a_peer_that_drips_its_request_is_cut_off_all_the_same(start: Start) -> None:
    server = start(timing=Timing(request_seconds=0.3))
    request = peer.request((VERIFICATION, IMPLICIT))
    pause = threading.Event()
    with peer.Peer(server.port) as scu:
        with pytest.raises(OSError):
            for byte in request:
                scu.sock.send(bytes((byte,)))
                pause.wait(0.02)
        assert wait_for_silence(server)


def test_an_idle_association_is_aborted(start: Start) -> None:
    server = start(timing=Timing(idle_seconds=0.2))
    with peer.Peer(server.port) as scu:
        scu.associate((VERIFICATION, IMPLICIT))
        assert scu.hear() == (7, bytes((0, 0, 2, 0)))


def test_an_image_that_stops_coming_is_aborted_and_leaves_nothing(start: Start, receive: FolderReceive) -> None:
    server = start(timing=Timing(pdu_seconds=0.2))
    with peer.Peer(server.port) as scu:
        scu.say(OPEN, STORE, part(5000))
        assert scu.hear()[0] == 2
        assert scu.hear()[0] == 7
    assert wait_for_silence(server)
    assert not list(receive.staging.iterdir())


def test_stopping_finishes_the_running_store_and_aborts_the_idle(server: Server, receive: FolderReceive) -> None:
    image = peer.sample(peer.CT_SLICE)
    receive.hold.clear()
    with peer.Peer(server.port) as busy, peer.Peer(server.port) as idle:
        idle.associate((VERIFICATION, IMPLICIT))
        busy.associate((image.sop_class, image.transfer_syntax))
        busy.say(peer.in_pdus(peer.store_command(image.sop_class, image.sop_instance), is_command=True, size=4000))
        busy.say(peer.in_pdus(image.data_set, is_command=False, size=4000))
        assert receive.entered.acquire(timeout=10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert idle.hear()[0] == 7
        receive.hold.set()
        assert busy.status() == 0
        assert busy.hear()[0] == 7
        stopping.join(10)
    assert not stopping.is_alive()
    assert len(receive.files()) == 1
    with pytest.raises(ConnectionRefusedError):
        peer.Peer(server.port)


def test_stopping_does_not_wait_for_a_sender_that_hangs(server: Server, receive: FolderReceive) -> None:
    with peer.Peer(server.port) as scu:
        scu.say(OPEN, STORE, part(5000))
        assert scu.hear()[0] == 2
        server.stop(grace_seconds=0.2)
        assert server.associations == 0
    assert not list(receive.staging.iterdir())


def test_running_out_of_files_is_back_pressure(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pause = threading.Event()
    with socket.socket() as scu:
        scu.settimeout(10)
        lowest_free = os.dup(scu.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            scu.connect(("127.0.0.1", server.port))
            scu.sendall(peer.request((VERIFICATION, IMPLICIT)))
            assert any("no more files" in caplog.text or pause.wait(0.01) for _ in range(500))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert scu.recv(1) == b"\x02"
    assert peer.echoes(server.port)
