"""A whole association, broken in places by a fixed seed, and what was found that way; said to the running server."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.dimse import peer
from tests.journeys.server import RunningServer

CASES = int(os.environ.get("FUZZ_CASES", "150"))
FOUND = Path(__file__).parents[1] / "data" / "fuzz" / "pdus"


def association(called: str) -> bytes:
    """What a sender says to store one image and leave."""
    image = peer.sample(peer.CT_SLICE)
    command = peer.pdu(4, peer.pdv(peer.store_command(image.sop_class, image.sop_instance), is_command=True))
    data = peer.in_pdus(image.data_set[:20_000], is_command=False, size=4000)
    opening = peer.request((image.sop_class, image.transfer_syntax), called=called)
    return opening + command + data + peer.RELEASE


def broken(words: bytes, chance: random.Random) -> bytes:
    hit = bytearray(words)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(hit) if chance.random() < 0.3 else 600)
        value = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", chance.randbytes(2)])
        hit[at : at + len(value)] = value
    return bytes(hit[: chance.randrange(len(hit))] if chance.random() < 0.2 else hit)


def test_an_association_broken_anywhere(target: RunningServer) -> None:
    whole, chance = association(target.aet), random.Random(20)
    assert peer.last_words(target.dimse_port, whole)[-1][0] == 6
    for _ in range(CASES):
        heard = peer.last_words(target.dimse_port, broken(whole, chance))
        assert {kind for kind, _ in heard} <= {2, 3, 4, 6, 7}


@pytest.mark.parametrize("found", sorted(FOUND.iterdir()), ids=lambda each: each.name)
def test_what_was_found(target: RunningServer, found: Path) -> None:
    opening = peer.request((peer.VERIFICATION, peer.IMPLICIT), called=target.aet)
    assert peer.last_words(target.dimse_port, opening + found.read_bytes())[-1][0] == 7
