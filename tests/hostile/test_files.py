"""Files built to cost: nesting, bombs, lengths past the end, elements without number; by STOW and C-STORE at once."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicomweb_server.dicom.part10 import file_meta
from tests.dimse import peer
from tests.hostile.watching import MIB
from tests.journeys.asking import store
from tests.journeys.server import RunningServer

DEFLATED = "1.2.840.10008.1.2.1.99"
INSTANCE = "1.2.3.99"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


NAMED = (
    element(0x00080016, b"UI", peer.CT.encode() + b"\0")
    + element(0x00080018, b"UI", INSTANCE.encode())
    + element(0x0020000D, b"UI", b"1.2.3.98")
    + element(0x0020000E, b"UI", b"1.2.3.97")
)
SEQUENCE = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
    "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
)


def nested(levels: int) -> bytes:
    return NAMED + SEQUENCE * levels + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0) * levels


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    zeros = element(0x00081030, b"LO", b"") * (MIB // 8)
    return packer.compress(NAMED) + b"".join(packer.compress(zeros) for _ in range(size // MIB)) + packer.flush()


COSTLY = {
    "5,000 sequences": (peer.EXPLICIT, nested(5000)),
    "20,000 sequences": (peer.EXPLICIT, nested(20_000)),
    "a deflate bomb": (DEFLATED, deflated(512 * MIB)),
    "elements without number": (peer.EXPLICIT, NAMED + element(0x00081030, b"LO", b"") * 2_500_000),
}


@pytest.mark.parametrize(("syntax", "data"), COSTLY.values(), ids=COSTLY)
def test_many_at_once_are_refused(target: RunningServer, syntax: str, data: bytes) -> None:
    whole = file_meta(peer.CT, INSTANCE, syntax) + data
    with ThreadPoolExecutor(4) as threads, target.client() as client:
        stored = [threads.submit(store, client, [whole]) for _ in range(3)]
        pushed = [threads.submit(pushed_status, target, syntax, data) for _ in range(3)]
        assert {answer.result().status_code for answer in stored} <= {400, 409}
        assert all(status.result() & 0xF000 in (0xA000, 0xC000) for status in pushed)


def pushed_status(server: RunningServer, syntax: str, data: bytes) -> int:
    with peer.Peer(server.dimse_port) as scu:
        scu.say(peer.request((peer.CT, syntax), called=server.aet))
        assert scu.hear()[0] == 2
        scu.say(peer.pdu(4, peer.pdv(peer.store_command(peer.CT, INSTANCE), is_command=True)))
        scu.say(peer.in_pdus(data, is_command=False, size=60_000))
        return scu.status()


PAST = {
    "a text": element(0x00100020, b"LO", b"x" * 8)[:-8].replace(b"\x08\0", b"\xff\xff") + b"x" * 8,
    "a sequence": struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0x7FFFFFFF),
    "an item": SEQUENCE[:12] + struct.pack("<HHI", 0xFFFE, 0xE000, 0x7FFFFFFF),
    "pixels": struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFE) + bytes(10),
    "a fragment": struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFF0),
}


@pytest.mark.parametrize("tail", PAST.values(), ids=PAST)
def test_a_length_past_the_end(target: RunningServer, tail: bytes) -> None:
    with target.client() as client:
        answer = store(client, [file_meta(peer.CT, INSTANCE, peer.EXPLICIT) + NAMED + tail])
        assert answer.status_code in (200, 202, 400, 409)
        assert pushed_status(target, peer.EXPLICIT, NAMED + tail) & 0xF000 in (0, 0xA000, 0xB000, 0xC000)


def test_a_command_of_empty_fragments_without_end_is_cut(target: RunningServer) -> None:
    with peer.Peer(target.dimse_port) as scu:
        scu.say(peer.request((peer.VERIFICATION, peer.IMPLICIT), called=target.aet))
        assert scu.hear()[0] == 2
        scu.say(peer.pdu(4, peer.pdv(b"", is_command=True, is_last=False)) * 3000)
        assert scu.hear() == (7, bytes((0, 0, 2, 6)))
