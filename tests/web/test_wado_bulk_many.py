"""All bulk values of many instances: the body begins before the last values are looked for (W-41, W-42, H-23)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from starlette.types import Message

from dicomweb_server.web.app import make_app
from dicomweb_server.web.bulk import LOCATED_BEFORE
from tests import corpus
from tests.web.retrieving import BASE, Door, asgi_scope, door, instance_path, parts, waiting

CT = "generated/ts/ct_evle.dcm"
STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
MANY = LOCATED_BEFORE + 5


@pytest.fixture
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A series of many images, by the names 1, 2 and so on."""
    dataset = pydicom.dcmread(corpus.path(CT))
    with door(tmp_path_factory.mktemp("many")) as opened:
        keys = {}
        for number in range(1, MANY + 1):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
            dataset.InstanceNumber = number
            dataset.PixelData = number.to_bytes(2, "little") * (dataset.Rows * dataset.Columns)
            file = BytesIO()
            dataset.save_as(file)
            keys[str(number)] = opened.held.take_bytes(file.getvalue())
        yield Door(opened.held, opened.services, keys)


@pytest.mark.parametrize("what", ["bulkdata", "pixeldata"])
async def test_every_value_of_a_long_series_in_its_order(held: Door, what: str) -> None:
    study = f"/studies/{held.keys['1'].study}"
    answer = await held.get(f"{study}/{what}", STORED)
    assert answer.status_code == 200 and "content-length" not in answer.headers
    got = parts(answer)
    assert [part.body[:2] for part in got] == [number.to_bytes(2, "little") for number in range(1, MANY + 1)]
    for number, part in enumerate(got, 1):
        assert part.headers["Content-Location"] == f"{BASE}{held.at(str(number))}/bulkdata/7FE00010"
        assert int(part.headers["Content-Length"]) == len(part.body)
    again = await held.get(f"{study}/{what}", STORED, if_none_match=answer.headers["etag"])
    assert again.status_code == 304


async def test_the_body_begins_before_the_last_values_are_looked_for(held: Door) -> None:
    """The last file is lost: the first values leave all the same, and the body breaks off where it is missed."""
    last = held.keys[str(MANY)]
    held.held.objects.delete([held.held.catalog.holdings.version(last).object_key])
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    path = instance_path(last).rpartition("/instances/")[0] + "/bulkdata"
    await make_app(held.services)(asgi_scope(f"/dicomweb{path}", STORED), waiting, send)
    assert sent[0]["status"] == 200
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert body.count(b"Content-Location") >= MANY - 2
    assert not any(message.get("more_body") is False for message in sent[1:])


async def test_a_lost_file_is_told_where_the_answer_can_tell_it(held: Door) -> None:
    """A study of few: the values of the others come with 206 and a Warning."""
    dataset = pydicom.dcmread(corpus.path(CT))
    dataset.StudyInstanceUID = "1.2.4"
    keys = []
    for number in (1, 2, 3):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.4.{number}"
        file = BytesIO()
        dataset.save_as(file)
        keys.append(held.held.take_bytes(file.getvalue()))
    held.held.objects.delete([held.held.catalog.holdings.version(keys[1]).object_key])
    answer = await held.get("/studies/1.2.4/bulkdata", STORED)
    assert answer.status_code == 206 and answer.headers["warning"].startswith("299 ")
    assert len(parts(answer)) == 2
    assert (await held.get(instance_path(keys[1]) + "/bulkdata", STORED)).status_code == 404
