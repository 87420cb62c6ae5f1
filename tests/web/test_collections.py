"""Collections: what may be asked, and that every answer is as its description says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.model.collections import Action, Collection, Member, Phase
from dicomweb_server.model.errors import Forbidden, Gone
from dicomweb_server.model.ids import SeriesKey, StudyKey
from dicomweb_server.model.manifest import manifest_of
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.web.app import WebOptions, make_app
from dicomweb_server.web.collection_request import CollectionRules
from dicomweb_server.web.links import Links
from tests.web.making import BASE_URL
from tests.web.retrieving import Door, door
from tests.web.test_api import ask

CT = "generated/ts/ct_evle.dcm"
PATH = "/api/v1/collections"
RULES = CollectionRules(
    hosts={"images.example"},
    manifest=lambda document: manifest_of(document, hosts={"images.example"}),
    largest=10_000,
    webhook_hosts={"hooks.example"},
    mail_domains={"site.example"},
)
MANIFEST = {"studies": [{"uid": "1.2", "series": [{"uid": "1.3", "instances": []}]}]}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("collections"), CT) as opened:
        opened.services = replace(opened.services, signals=MemorySignals())
        yield opened


async def post(held: Door, body: bytes, kind: str = "application/json") -> httpx.Response:
    app = make_app(held.services, options=WebOptions(collections=RULES))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as client:
        return await client.post(PATH, content=body, headers={"content-type": kind})


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({}, "exactly one of"),
        ({"studies": ["1.2"], "patient": {"id": "x"}}, "exactly one of"),
        ({"studies": []}, "studies is a list"),
        ({"studies": ["../1"]}, "Study Instance UID"),
        ({"studies": [7]}, "Study Instance UID"),
        ({"studies": ["1.2"], "action": "delete"}, "action is one of"),
        ({"studies": ["1.2"], "colour": "red"}, "'colour'"),
        ({"patient": {}}, "no id"),
        ({"patient": {"id": "*"}}, "without"),
        ({"patient": "x"}, "patient is an object"),
        ({"manifest": {"studies": []}}, "empty"),
        ({"manifest_url": "file:///etc/passwd"}, "http"),
        ({"manifest_url": "https://other.example/m.json"}, "other.example"),
        ({"studies": ["1.2"], "notify": {}}, "notify is"),
        ({"studies": ["1.2"], "notify": {"webhook": "https://other.example/"}}, "allowed host"),
        ({"studies": ["1.2"], "notify": {"webhook": "ftp://hooks.example/"}}, "allowed host"),
        ({"studies": ["1.2"], "notify": {"mail": "a@other.example"}}, "allowed domain"),
        ({"studies": ["1.2"], "notify": {"mail": "a, b@site.example"}}, "allowed domain"),
        ({"studies": ["1.2"], "notify": {"mail": "a@site.example", "on": ["never"]}}, "notify.on"),
        ({"studies": ["1.2"], "link_seconds": 0}, "seconds"),
        ({"studies": ["1.2"], "link_seconds": 86_401}, "seconds"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_its_reason(held: Door, wanted: Any, named: str) -> None:
    answer = await post(held, orjson.dumps(wanted))
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


async def test_only_json_of_a_bounded_size_is_read(held: Door) -> None:
    assert (await post(held, b'{"studies": ["1.2"]}', "text/plain")).status_code == 415
    assert (await post(held, b"[")).status_code == 400
    assert (await post(held, b'"x"')).status_code == 400
    assert (await post(held, b" " * 10_001)).status_code == 413
    assert (await post(held, b'{"collection": "unknown"}')).status_code == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"studies": ["1.2"]},
        {"patient": {"id": "P", "issuer": "I"}, "action": "announce"},
        {"manifest": MANIFEST, "notify": {"webhook": "https://hooks.example/x", "mail": "Ada.L@Site.example"}},
        {"manifest_url": "https://images.example/m.json", "link_seconds": 60},
    ],
)
async def test_what_can_be_asked_is_written_down(held: Door, wanted: dict[str, Any]) -> None:
    answer = await post(held, orjson.dumps(wanted))
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{BASE_URL}{PATH}/{answer.json()['id']}"
    known = held.held.catalog.collections.get(answer.json()["id"])
    assert (known.phase, known.action) == (Phase.REQUESTED, wanted.get("action", "store"))


def make(held: Door, id: str, *members: Member) -> None:
    records = held.held.catalog.collections
    assert records.create(Collection(id, Action.STORE, Phase.REQUESTED, {"studies": ["1.2"]}, 1000.0))
    assert not records.create(Collection(id, Action.STORE, Phase.REQUESTED, {}, 1000.0))
    assert records.described(id, members)
    assert not records.described(id, members)


async def test_answers_are_as_described(held: Door) -> None:
    key = held.keys[CT]
    make(held, "c1", Member(key.study, "week 4", 2), Member("1.2.840.99", "week 2", 1))
    announced = [{"00080018": {"vr": "UI", "Value": [f"1.2.840.99.1.{number}"]}} for number in (1, 2)]
    held.held.catalog.pulling.announce(
        StudyKey("1.2.840.99"), "archive", {}, [AnnouncedSeries(SeriesKey("1.2.840.99", "1.2.840.99.1"), {}, announced)]
    )
    progress = (await ask(held, f"{PATH}/c1")).json()
    assert [each["time_point"] for each in progress["studies"]] == ["week 2", "week 4"]
    assert (progress["state"], progress["instances_by_state"]["announced"]) == ("announced", 2)
    described = (await ask(held, f"{PATH}/c1/description")).json()
    assert [each["study"] for each in described["studies"]] == ["1.2.840.99", key.study]
    assert described["studies"][1]["attributes"]["0020000D"]["Value"] == [key.study]
    assert BASE_URL in described["studies"][1]["attributes"]["00081190"]["Value"][0]
    records = (await ask(held, f"{PATH}/c1/studies/{key.study}/series/{key.series}")).json()
    assert (records["number"], records["slices"], records["images"][0]["frames"]) == (held_number(held), 1, 1)
    listed = (await ask(held, f"{PATH}?limit=100")).json()["collections"]
    assert "c1" in {each["id"] for each in listed}
    assert (await ask(held, f"{PATH}/c1/studies/1.2.3/series/1.2")).status_code == 404
    assert (await ask(held, f"{PATH}/unknown")).status_code == 404
    assert (await ask(held, f"{PATH}/unknown/description")).status_code == 404
    for verb in ("raise", "cancel", "requeue"):
        answer = await ask(held, f"{PATH}/c1/{verb}", "POST", json={})
        assert answer.status_code == 200
        assert (await ask(held, f"{PATH}/c1/{verb}", "POST", content=b"{}")).status_code == 415
    assert (await ask(held, f"{PATH}/unknown/requeue", "POST", json={})).status_code == 404


def held_number(held: Door) -> int:
    body = orjson.loads(held.held.catalog.holdings.metadata(held.keys[CT])[0])
    number: int = body["00200011"]["Value"][0]
    return number


def test_a_link_is_good_until_it_expires() -> None:
    now = [1000.0]
    links = Links(b"k" * 32, 60, now=lambda: now[0])
    _, _, expires, signature, path = links.sign("/dicomweb/studies/1.2?x=1", 10).split("/", 4)
    links.check(expires, signature, f"/{path}")
    now[0] = 1011.0
    with pytest.raises(Gone):
        links.check(expires, signature, f"/{path}")
    with pytest.raises(Forbidden):
        Links(b"j" * 32).check(expires, signature, f"/{path}")
    assert links.sign("/x", 10**9).split("/")[2] == str(1011 + 86_400)
