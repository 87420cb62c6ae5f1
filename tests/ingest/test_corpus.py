"""Every file of the corpus is received or refused with a reason, and none harms the next."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dicomweb_server.dicom.part10 import read_head
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.model.errors import Rejected
from dicomweb_server.model.records import Fate
from tests import corpus
from tests.ingest.conftest import ORIGIN, House
from tests.ingest.files import part10


def data_set_sha256(body: bytes) -> str:
    return hashlib.sha256(body[read_head(BytesSource(body)).dataset_start :]).hexdigest()


@pytest.mark.timeout(120)
def test_what_is_stored_has_the_data_set_that_was_sent(house: House) -> None:
    names = corpus.names()
    futures = {name: house.receive.submit(house.staged(corpus.file(name)), ORIGIN) for name in names}
    refused = {name: error for name, future in futures.items() if (error := future.exception(60)) is not None}
    assert {type(error) for error in refused.values()} <= {Rejected}
    stored = {name: future.result() for name, future in futures.items() if name not in refused}
    firsts = {outcome.key: name for name, outcome in stored.items() if outcome.fate is Fate.STORED}
    assert len(firsts) == len(house.holdings.rows) > 50
    for key, name in firsts.items():
        path = Path(str(house.store.local(house.holdings.rows[key].object_key)))
        assert data_set_sha256(path.read_bytes()) == data_set_sha256(corpus.file(name)), name
        assert path.read_bytes()[:132] == bytes(128) + b"DICM", name
    assert house.push(part10("1.2.9.9")).fate is Fate.STORED
    assert house.leftovers() == []


def test_malformed_files_that_must_be_refused_are_refused(house: House) -> None:
    must = [name for name, facts in corpus.malformed().items() if facts["expect"] == "reject"]
    for name in must:
        with pytest.raises(Rejected):
            house.push(corpus.file(name))
    assert must
    assert house.objects() == set()
