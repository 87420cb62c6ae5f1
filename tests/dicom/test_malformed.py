"""Broken files give a record or a clear refusal, quickly, and no other exception."""

from __future__ import annotations

import random
import time

import pytest

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.normalise import prepare
from dicomweb_server.dicom.rewrite import explicit_le
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import Rejected
from tests import corpus

BROKEN = corpus.malformed()


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_file_is_stored_or_refused_as_it_may_be(name: str) -> None:
    began = time.perf_counter()
    outcome = outcome_of(corpus.file(name))
    assert time.perf_counter() - began < 2
    allowed = {"reject": {"rejected"}, "pixels": {"stored"}}.get(BROKEN[name]["expect"], {"stored", "rejected"})
    assert outcome in allowed


def outcome_of(data: bytes) -> str:
    source = BytesSource(data)
    try:
        prepared = prepare(source)
        derive(prepared.view(source))
        b"".join(explicit_le(prepared.view(source)))
    except Rejected as refusal:
        assert refusal.reason & 0xF000 in (0xA000, 0xC000)
        return "rejected"
    return "stored"


BASES = ["ts/ct_evle", "ts/ct_ivle", "ts/ct_evbe", "ts/ct_deflated", "mod/sr_enhanced", "encap/us_jpeg_bot_3frag"]


@pytest.mark.parametrize("base", BASES)
def test_random_damage_never_raises_anything_else(base: str) -> None:
    whole = corpus.file(f"generated/{base}.dcm")
    chance = random.Random(base)
    for _ in range(150):
        data = bytearray(whole[: chance.randrange(200, len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 20)):
            data[chance.randrange(132, min(len(data), 2500))] = chance.choice([0, 0xFF, 0xFE, chance.randrange(256)])
        assert outcome_of(bytes(data)) in ("stored", "rejected")
