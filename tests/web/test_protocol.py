"""Peers that are slow, endless or many, on real sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from dicomweb_server.web.app import make_app
from dicomweb_server.web.protocol import Bounds
from tests import corpus
from tests.web import making
from tests.web.making import ReadingReceive
from tests.web.serving import Address, connect, read_all, serving, status_of

BOUNDS = Bounds(
    max_connections=5,
    connect_seconds=0.3,
    header_seconds=0.3,
    body_seconds=0.3,
    body_rate=10_000,
    write_seconds=0.3,
    linger_seconds=0.3,
    tick_seconds=0.05,
)
GET = b"GET /healthz HTTP/1.1\r\nHost: here\r\n"
POST = (
    b"POST /dicomweb/studies HTTP/1.1\r\nHost: here\r\n"
    b'Content-Type: multipart/related; type="application/dicom"; boundary=B\r\n'
)


@pytest.fixture
def receive(tmp_path: Path) -> ReadingReceive:
    return ReadingReceive(tmp_path)


@pytest.fixture
def address(receive: ReadingReceive) -> Iterator[Address]:
    with serving(make_app(making.services(receive=receive)), BOUNDS) as address:
        yield address


def exchange(address: Address, request: bytes) -> bytes:
    with connect(address) as peer:
        peer.sendall(request)
        return read_all(peer)


def test_a_request_is_answered(address: Address) -> None:
    assert status_of(exchange(address, GET + b"Connection: close\r\n\r\n")) == 200


def test_a_connection_serves_many_requests(address: Address) -> None:
    answer = exchange(address, (GET + b"\r\n") * 3 + GET + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 4


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: he", 408),
        (POST + b"Content-Length: 4294967296\r\n\r\n--B\r\n", 408),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n--B\r\n\r\n", 408),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", 404),
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n", 414),
        (b"GET /" + b"a" * 200_000, 414),
        (GET + b"X: " + b"a" * 20_000 + b"\r\nConnection: close\r\n\r\n", 200),
        (GET + b"X: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (GET + b"X: a\r\n" * 10_000 + b"\r\n", 431),
        (GET + b"X: " + b"a" * 300_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 900_000, 431),
    ],
)
def test_what_is_slow_or_too_much_is_refused(address: Address, request_bytes: bytes, status: int) -> None:
    assert status_of(exchange(address, request_bytes)) == status


def test_who_says_nothing_is_let_go(address: Address) -> None:
    assert exchange(address, b"") == b""


def test_a_slow_drip_does_not_hold_a_connection(address: Address) -> None:
    with connect(address) as peer:
        peer.sendall(GET + b"X: ")
        started = time.monotonic()
        peer.settimeout(0.02)
        answer = b""
        while not answer and time.monotonic() < started + 5:
            peer.sendall(b"a")
            try:
                answer = peer.recv(1000)
            except TimeoutError:
                continue
    assert status_of(answer) == 408


def test_nothing_of_a_body_that_breaks_off_is_kept(address: Address, receive: ReadingReceive) -> None:
    part = b"--B\r\n\r\n" + corpus.file("generated/charset/ascii.dcm")
    with connect(address) as peer:
        peer.sendall(POST + b"Content-Length: 1000000\r\n\r\n" + part)
    deadline = time.monotonic() + 30
    while list(receive.folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert receive.stored == {}
    assert list(receive.folder.iterdir()) == []


def test_the_body_may_come_when_asked_for(address: Address) -> None:
    part = b"--B\r\n\r\n" + corpus.file("generated/charset/ascii.dcm") + b"\r\n--B--"
    with connect(address) as peer:
        head = POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(part)
        peer.sendall(head)
        assert peer.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(part)
        assert status_of(read_all(peer)) == 200


def test_too_large_is_said_before_the_body_comes(address: Address) -> None:
    with connect(address) as peer:
        peer.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 99999999999999\r\n\r\n")
        assert status_of(peer.recv(1000)) == 413


def test_a_new_connection_takes_the_place_of_an_idle_one(address: Address) -> None:
    peers = [connect(address) for _ in range(BOUNDS.max_connections)]
    assert status_of(exchange(address, GET + b"Connection: close\r\n\r\n")) == 200
    for peer in peers:
        peer.close()


def test_when_all_are_busy_a_new_connection_is_turned_away(address: Address) -> None:
    peers = [connect(address) for _ in range(BOUNDS.max_connections)]
    for peer in peers:
        peer.sendall(b"GET")
    answer = b"HTTP/1.1 200 "
    started = time.monotonic()
    # A connection counts as busy once its first byte was read, a moment after it was sent.
    while status_of(answer) == 200 and time.monotonic() < started + 0.2:
        answer = exchange(address, GET + b"Connection: close\r\n\r\n")
    for peer in peers:
        peer.close()
    assert status_of(answer) == 503
    assert b"retry-after: 5" in answer


async def _endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while (await receive())["type"] != "http.disconnect":
        for _ in range(100):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


def test_an_answer_nobody_reads_is_cut() -> None:
    with serving(_endless, BOUNDS) as address, connect(address) as peer:
        peer.sendall(GET + b"\r\n")
        assert peer.recv(8) == b"HTTP/1.1"
        time.sleep(0.6)
        received = len(read_all(peer))
    assert received < 100 << 20
