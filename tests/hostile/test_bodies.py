"""Bodies that are slow, endless, broken, or far larger than they look."""

from __future__ import annotations

import base64
import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Iterator

import orjson
import pytest

from tests.corpus import file
from tests.hostile.speaking import DICOM, JSON, XML, Heard, connect, get, head, hear, parts, post, say
from tests.hostile.watching import MIB, serves
from tests.journeys.server import RunningServer

SOUND = "generated/charset/ascii.dcm"
GIB = 1 << 30


def test_four_gigabytes_announced_and_one_line_sent(target: RunningServer) -> None:
    with connect(target) as peer:
        peer.sendall(head(DICOM, b"Content-Length: %d" % (4 * GIB)) + b"--B\r\n")
        assert serves(target)
        peer.shutdown(socket.SHUT_WR)
        assert Heard(hear(peer)).status in (0, 400)


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"0x10", b"9" * 30, b"1\r\nContent-Length: 2", b"5, 6"])
def test_a_length_that_is_none(target: RunningServer, length: bytes) -> None:
    assert say(target, head(DICOM, b"Content-Length: " + length) + b"--B\r\n").status in (400, 413)


def test_slow_headers_and_bodies_beside_each_other_hold_nobody_up(target: RunningServer) -> None:
    """They are cut in the end (tests/web/test_protocol.py); here: as long as they last, others are served."""
    begun = [
        b"GET /dicomweb/studies HTTP/1.1\r\nX: ",
        head(DICOM, b"Content-Length: 1000000"),
        head(DICOM, b"Content-Length: 1000000") + b"--B\r\nContent-Type: appl",
        head(DICOM, b"Transfer-Encoding: chunked") + b"5\r\n--B",
        head(DICOM, b"Content-Length: 1000000") + parts([file(SOUND)])[:-20],
    ]
    peers = [connect(target) for _ in range(20) for _ in begun]
    for number, peer in enumerate(peers):
        peer.sendall(begun[number % len(begun)])
    for _ in range(3):
        for peer in peers:
            peer.sendall(b"a")
        started = time.monotonic()
        assert serves(target)
        assert time.monotonic() - started < 5
    for peer in peers:
        peer.close()


def test_a_body_cut_anywhere_stores_what_was_whole_or_nothing(target: RunningServer) -> None:
    body = parts([file(SOUND), file(SOUND)])
    for at in range(0, len(body) - 2, len(body) // 40):
        assert post(target, body[:at]).status == 400
        with connect(target) as peer:
            peer.sendall(head(DICOM, b"Content-Length: %d" % len(body)) + body[:at])


def test_ten_thousand_parts_and_one_more(target: RunningServer) -> None:
    most = post(target, parts([b""] * 10_000))
    assert most.status in (400, 409)
    over = post(target, parts([b""] * 10_001))
    assert over.status == 413
    assert "parts" in over.reason


def test_ten_thousand_headers_of_parts(target: RunningServer) -> None:
    assert post(target, parts([b"x"], b"application/dicom", *[b"X: y"] * 10_000)).status == 413


@pytest.mark.parametrize("kind", [DICOM, JSON, XML], ids=["dicom", "json", "xml"])
def test_a_body_full_of_almost_boundaries_is_read_in_good_time(target: RunningServer, kind: bytes) -> None:
    started = time.monotonic()
    answer = post(target, b"--B\r\n\r\n" + b"\r\n--Bx" * 1_000_000 + b"\r\n--B--", kind)
    assert 400 <= answer.status < 500
    assert time.monotonic() - started < 20


def test_boundary_bytes_in_pixels_at_every_edge_of_what_is_sent_at_once(target: RunningServer) -> None:
    """Content that all but is the delimiter comes back whole, wherever the network cut it."""
    almost = b"\r\n--B\r\r\n--\r\n--Bx\n--B\r\n-"
    content = file(SOUND).rstrip(b"\0")
    pixels = b"\xe0\x7f\x10\0OB\0\0" + len(almost * 20).to_bytes(4, "little") + almost * 20
    body = parts([content + pixels])
    first = body.index(almost)
    for cut in range(first - 8, first + 2 * len(almost)):
        with connect(target) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.sendall(head(DICOM, b"Content-Length: %d" % len(body)) + body[:cut])
            peer.sendall(body[cut:])
            answer = Heard(hear(peer))
        assert answer.status == 200, answer.reason
    stored = orjson.loads(answer.body)["00081199"]["Value"][0]["00081190"]["Value"][0]
    path = stored.partition("/dicomweb")[2]
    served = get(target, f"/dicomweb{path}", b"Accept: application/dicom; transfer-syntax=*")
    assert served.body.endswith(pixels)


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(MIB)) * (size // MIB)


ENCODED = {
    "a gigabyte of zeros": (b"gzip", bomb(GIB), {413}),
    "a gigabyte of zeros, deflated": (b"deflate", zlib.compress(bytes(GIB // 4)), {413, 400}),
    "a hundred thousand empty members": (b"gzip", gzip.compress(b"") * 100_000, {400}),
    "not what it says": (b"gzip", b"\x1f\x8b" + bytes(1000), {400}),
    "broken off": (b"gzip", gzip.compress(bytes(100_000))[:50], {400}),
    "of a kind nobody reads": (b"br", b"xx", {415}),
    "several": (b"gzip, gzip, gzip", gzip.compress(b"x"), {415}),
}


@pytest.mark.parametrize(("coding", "body", "statuses"), ENCODED.values(), ids=ENCODED)
def test_an_encoded_body(target: RunningServer, coding: bytes, body: bytes, statuses: set[int]) -> None:
    for kind in (DICOM, b"application/dicom"):
        answer = post(target, body, kind, b"Content-Encoding: " + coding)
        assert answer.status in statuses | {400, 413}
        assert answer.reason


NAMED = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.77"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3.78"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3.79"]},
}
OPENED = orjson.dumps(NAMED)[:-1]


def nested(levels: int) -> bytes:
    inner = b'{"vr":"SQ","Value":[{"00081140":' * levels + b'{"vr":"SQ"}' + b"}]}" * levels
    return OPENED + b',"00081140":' + inner + b"}"


def with_element(tag: str, element: object) -> bytes:
    return orjson.dumps([{**NAMED, tag: element}])


METADATA = {
    "nothing": b"",
    "no JSON": b"{",
    "another kind of JSON": b'"x"',
    "100 levels": nested(100),
    "330 levels": nested(330),
    "5,000 levels": nested(5000),
    "20,000 levels": nested(20_000),
    "100,000 arrays": b"[" * 100_000,
    "more data sets than anybody sends": b"[" + b"{}," * 20_000 + b"{}]",
    "more values than anybody sends": OPENED + b',"00081140":{"vr":"SQ","Value":[' + b"{}," * 5_000_000 + b"{}]}}",
    "invalid UTF-8": OPENED + b',"00100020":{"vr":"LO","Value":["\xff\xfe"]}}',
    "half a surrogate": OPENED + b',"00100020":{"vr":"LO","Value":["\\ud800"]}}',
    "an infinite number": OPENED + b',"00189073":{"vr":"FD","Value":[1e999]}}',
    "no attribute": with_element("zz", {"vr": "SQ"}),
    "a number that does not fit": with_element("00280010", {"vr": "US", "Value": [99_999_999]}),
    "a negative number": with_element("00280010", {"vr": "US", "Value": [-1]}),
    "text for a number": with_element("00280010", {"vr": "US", "Value": ["x"]}),
    "a list of lists": with_element("00081140", {"vr": "SQ", "Value": [[[]]]}),
    "no base64": with_element("7FE00010", {"vr": "OW", "InlineBinary": "A"}),
    "a reference to nothing": with_element("7FE00010", {"vr": "OW", "BulkDataURI": "http://["}),
    "a reference to a file": with_element("7FE00010", {"vr": "OW", "BulkDataURI": "file:///etc/passwd"}),
    "identifiers that are paths": with_element("0020000D", {"vr": "UI", "Value": ["../../x"]}),
}


@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_in_json(target: RunningServer, metadata: bytes) -> None:
    answer = post(target, parts([metadata], b"application/dicom+json"), JSON)
    assert 400 <= answer.status < 500
    assert answer.reason


@pytest.mark.parametrize("location", [b"http://[", b"//[", b"\xff\xfe", b"cid:", b"../" * 2000])
def test_a_part_that_lies_nowhere(target: RunningServer, location: bytes) -> None:
    metadata = with_element("7FE00010", {"vr": "OW", "BulkDataURI": "bulk/1"})
    body = parts([metadata], b"application/dicom+json", b"Content-Location: " + location)
    assert post(target, body, JSON).status == 400


def entities(levels: int) -> bytes:
    yields = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, levels))
    return b'<!DOCTYPE x [<!ENTITY e0 "ha">' + yields + b"]><NativeDicomModel>&e%d;</NativeDicomModel>" % (levels - 1)


def model(content: bytes) -> bytes:
    return b"<NativeDicomModel>" + content + b"</NativeDicomModel>"


OPEN_ITEM, CLOSE_ITEM = b'<DicomAttribute tag="00081140" vr="SQ"><Item number="1">', b"</Item></DicomAttribute>"

DOCUMENTS = {
    "nothing": b"",
    "a DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + model(b""),
    "an entity of a file": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + model(b"&e;"),
    "entities in entities": entities(12),
    "an entity nobody declared": model(b"&e;"),
    "200,000 levels": b"<a>" * 200_000,
    "5,000 sequences": model(OPEN_ITEM * 5000 + CLOSE_ITEM * 5000),
    "20,000 sequences": model(OPEN_ITEM * 20_000 + CLOSE_ITEM * 20_000),
    "an encoding of no kind": b'<?xml version="1.0" encoding="nope"?>' + model(b""),
    "a multi-byte encoding": b'<?xml version="1.0" encoding="shift_jis"?>' + model(b""),
    "invalid UTF-8": model(b'<DicomAttribute tag="00100020" vr="LO"><Value>\xff</Value></DicomAttribute>'),
    "a number of no digits": model(
        b'<DicomAttribute tag="00100020" vr="LO"><Value number="\xc2\xb2">x</Value></DicomAttribute>'
    ),
    "values left out": model(
        b'<DicomAttribute tag="00100020" vr="LO"><Value number="1000000">x</Value></DicomAttribute>' * 1000
    ),
    "many items": model(
        b'<DicomAttribute tag="00081140" vr="SQ">'
        + b"".join(b'<Item number="%d"/>' % number for number in range(1, 300_000))
        + b"</DicomAttribute>"
    ),
    "many XML attributes": b"<NativeDicomModel " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_metadata_in_xml(target: RunningServer, document: bytes) -> None:
    answer = post(target, parts([document], b"application/dicom+xml"), XML)
    assert 400 <= answer.status < 500
    assert answer.reason
    assert b"root:" not in answer.whole


def test_metadata_that_is_too_long(target: RunningServer) -> None:
    def pieces() -> Iterator[bytes]:
        yield head(JSON, b"Transfer-Encoding: chunked")
        yield b"%x\r\n" % len(OPENING) + OPENING + b"\r\n"
        for _ in range(40):
            yield b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
        yield b"9\r\n{}\r\n--B--\r\n0\r\n\r\n"

    answer = say(target, *pieces())
    assert answer.status == 413


OPENING = b"--B\r\nContent-Type: application/dicom+json\r\n\r\n"


def test_pictures_that_lie_about_their_size(target: RunningServer) -> None:
    huge = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAA//8AAP//CAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC"
    )
    metadata = with_element("7FE00010", {"vr": "OW", "BulkDataURI": "bulk/1"})
    body = parts([metadata], b"application/dicom+json")[:-5]
    body += b"--B\r\nContent-Type: image/png\r\nContent-Location: bulk/1\r\n\r\n" + huge + b"\r\n--B--"
    answer = post(target, body, JSON)
    assert 400 <= answer.status < 500


def test_requests_without_end_on_one_connection_are_cut(target: RunningServer) -> None:
    """Whoever asks on and on without reading costs no more than the requests that may wait."""
    with connect(target) as peer:
        with contextlib.suppress(OSError):
            for _ in range(200):
                peer.sendall(b"GET /dicomweb/studies HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        assert hear(peer).count(b"HTTP/1.1 200 OK") < 100
