"""The operations API: every answer is as its OpenAPI description says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import pydicom
import pytest
from openapi_spec_validator import validate

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.notices.log import LogNotices
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.series import ReconcileSeries
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.web import openapi, schemas
from dicomweb_server.web.api import OPERATIONS
from dicomweb_server.workers.givenup import GivenUp
from tests import corpus
from tests.web.retrieving import Door, door

CT = "generated/ts/ct_evle.dcm"
GIVEN_UP = InstanceKey("1.2", "1.2.3", "1.2.3.4")


@pytest.fixture
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("api"), CT) as opened:
        queue = SqlQueue(opened.held.catalog.database)
        opened.services = replace(opened.services, queue=queue, signals=MemorySignals())
        yield opened


def give_up(held: Door) -> None:
    queue = held.services.queue
    assert queue is not None
    queue.done(queue.take("test", kinds=list(Kind), limit=100, lease_seconds=60))
    queue.put([Ticket(Kind.FETCH, GIVEN_UP)])
    for lease in queue.take("test", kinds=[Kind.FETCH], limit=100, lease_seconds=60):
        queue.bury(lease, reason="nothing there")


async def ask(held: Door, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    """The answer, held against its description."""
    async with held.client() as client:
        answer = await client.request(method, path, **more)
    (template,) = [known for known in OPERATIONS if matches(known, path.partition("?")[0])]
    described = openapi.document(OPERATIONS)["paths"][template][method.lower()]["responses"]
    said = described["200"] if answer.status_code == 200 else described["4XX"]
    schema = said["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": {"schemas": schemas.SCHEMAS}})
    return answer


def matches(template: str, path: str) -> bool:
    known, asked = template.split("/"), path.split("/")
    return len(known) == len(asked) and all(
        one.startswith("{") or one == other for one, other in zip(known, asked, strict=True)
    )


async def test_the_description_is_valid_and_whole(held: Door) -> None:
    async with held.client() as client:
        document = (await client.get("/api/v1/openapi.json")).json()
    validate(document)
    assert set(document["paths"]) == set(OPERATIONS)
    names = [
        each["operationId"] for path in document["paths"].values() for each in path.values() if "operationId" in each
    ]
    assert len(set(names)) == len(names) == sum(map(len, OPERATIONS.values()))


async def test_how_far_along_is_told_at_every_level(held: Door) -> None:
    key = held.keys[CT]
    study = (await ask(held, f"/api/v1/studies/{key.study}")).json()
    assert (study["state"], study["instances_by_state"]["stored"]) == ("stored", 1)
    series = (await ask(held, f"/api/v1/studies/{key.study}/series/{key.series}")).json()
    assert [each["instance"] for each in series["instances"]] == [key.instance]
    place = f"/api/v1/studies/{key.study}/series/{key.series}/instances/{key.instance}"
    instance = (await ask(held, place)).json()
    assert (instance["state"], instance["here"], instance["source"]) == ("stored", True, None)


async def test_what_is_announced_and_not_here_is_told_apart(held: Door) -> None:
    listed = [{"00080018": {"vr": "UI", "Value": [GIVEN_UP.instance]}}]
    series = AnnouncedSeries(SeriesKey("1.2", "1.2.3"), {}, listed)
    held.held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [series])
    found = (await ask(held, "/api/v1/studies/1.2/series/1.2.3/instances/1.2.3.4")).json()
    assert (found["state"], found["here"], found["source"]) == ("announced", False, "pacs")


async def test_how_much_is_here_is_told(held: Door) -> None:
    totals = (await ask(held, "/api/v1/status")).json()["totals"]
    assert (totals["instances"], totals["stored"]) == (1, 1)


async def test_a_complete_series_tells_its_number_its_slices_and_who_stands_for_it(held: Door) -> None:
    key, catalog = held.keys[CT], held.held.catalog
    number = pydicom.dcmread(corpus.path(CT), stop_before_pixels=True).SeriesNumber
    place = f"/api/v1/studies/{key.study}/series/{key.series}"
    growing = (await ask(held, place)).json()
    assert (growing["number"], growing["slices"], growing["complete"]) == (number, None, False)
    ReconcileSeries(held.held.objects, catalog, quiet_seconds=0)([Ticket(Kind.RECONCILE, key.of_series)])
    whole = (await ask(held, place)).json()
    assert (whole["slices"], whole["complete"], whole["representative"]) == (1, True, key.instance)
    study = (await ask(held, f"/api/v1/studies/{key.study}")).json()
    assert study["representative"] == {"series": key.series, "instance": key.instance}


async def test_attempts_reasons_and_the_next_try_are_told_at_every_level(held: Door) -> None:
    """While it is tried again the queue knows them, afterwards the row."""
    key, queue = held.keys[CT], held.services.queue
    assert queue is not None
    queue.done(queue.take("test", kinds=[Kind.RECONCILE], limit=9, lease_seconds=60))
    places = [f"/api/v1/studies/{key.study}", f"/api/v1/studies/{key.study}/series/{key.series}"]
    place = f"{places[1]}/instances/{key.instance}"
    (lease,) = queue.take("test", kinds=[Kind.PREPROCESS], limit=1, lease_seconds=60)
    assert (await ask(held, place)).json()["next_attempt"] is None, "somebody is at it"
    before = time.time()
    queue.retry(lease, delay_seconds=30, reason="no answer")
    found = (await ask(held, place)).json()
    assert (found["state"], found["attempts"], found["reason"]) == ("stored", 1, "no answer")
    assert before + 29 < found["next_attempt"] < time.time() + 31
    (lease,) = SqlQueue(held.held.catalog.database, now=lambda: time.time() + 40).take(
        "test", kinds=[Kind.PREPROCESS], limit=1, lease_seconds=60
    )
    given_up = GivenUp(held.held.catalog, LogNotices())
    given_up(lease, "no answer")
    given_up.close()
    queue.bury(lease, reason="no answer")
    for above in places:
        told = (await ask(held, above)).json()
        assert (told["state"], told["attempts"]) == ("failed", 2)
        assert told["reasons"] == [{"reason": "no answer", "instances": 1}]
    (failed,) = (await ask(held, "/api/v1/instances")).json()["instances"]
    assert (failed["instance"], failed["reason"], failed["attempts"]) == (key.instance, "no answer", 2)
    assert (await ask(held, "/api/v1/instances?state=stored")).json() == {"instances": []}
    assert (await ask(held, "/api/v1/instances?state=odd")).status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/studies/1.9", "/api/v1/studies/1.9/series/1.8"])
async def test_what_nobody_knows_is_not_found(held: Door, path: str) -> None:
    assert (await ask(held, path)).status_code == 404


async def test_instances_come_in_pages(held: Door) -> None:
    key = held.keys[CT]
    page = await ask(held, f"/api/v1/studies/{key.study}/series/{key.series}?limit=1&offset=1")
    assert page.json()["instances"] == []


async def test_what_was_given_up_is_listed_and_sent_again(held: Door) -> None:
    give_up(held)
    assert (await ask(held, "/api/v1/queue")).json()["dead"] == 1
    (letter,) = (await ask(held, "/api/v1/dead-letters")).json()["dead_letters"]
    assert (letter["instance"], letter["reason"]) == (GIVEN_UP.instance, "nothing there")
    done = await ask(held, "/api/v1/dead-letters/requeue", "POST", json={"ids": [letter["id"]]})
    assert done.json() == {"count": 1}
    assert (await ask(held, "/api/v1/queue")).json()["dead"] == 0


async def test_what_was_given_up_can_be_forgotten(held: Door) -> None:
    give_up(held)
    (letter,) = (await ask(held, "/api/v1/dead-letters")).json()["dead_letters"]
    assert (await ask(held, "/api/v1/dead-letters/drop", "POST", json={"ids": [letter["id"]]})).json() == {"count": 1}
    assert (await ask(held, "/api/v1/dead-letters")).json() == {"dead_letters": []}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"ids": "all"}', b'{"ids": ["x"]}', b'{"ids": [1e99]}'])
async def test_a_body_that_names_no_dead_letters_is_refused(held: Door, body: bytes) -> None:
    sent = {"content": body, "headers": {"content-type": "application/json"}}
    assert (await ask(held, "/api/v1/dead-letters/drop", "POST", **sent)).status_code == 400


async def test_a_form_of_another_origin_changes_nothing(held: Door) -> None:
    """Forms need no preflight, so what they can send is not taken."""
    give_up(held)
    sent = {"content": b'{"ids": [1]}', "headers": {"content-type": "text/plain"}}
    assert (await ask(held, "/api/v1/dead-letters/drop", "POST", **sent)).status_code == 415
    assert (await ask(held, "/api/v1/queue")).json()["dead"] == 1


async def test_a_scope_is_raised_called_off_and_tried_again(held: Door) -> None:
    """At every level; the next attempt is shown."""
    names = [GIVEN_UP, InstanceKey("1.2", "1.2.3", "1.2.3.5")]
    listed = [{"00080018": {"vr": "UI", "Value": [key.instance]}} for key in names]
    pulling = held.held.catalog.pulling
    pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(SeriesKey("1.2", "1.2.3"), {}, listed)])
    study, series = "/api/v1/studies/1.2", "/api/v1/studies/1.2/series/1.2.3"
    instance = f"{series}/instances/{GIVEN_UP.instance}"
    held.held.catalog.mending.cancel(StudyKey("1.2"))
    assert (await ask(held, f"{instance}/raise", "POST", json={})).json() == {"count": 1}
    found = (await ask(held, instance)).json()
    assert (found["state"], found["next_attempt"]) == ("queued", 0.0)
    assert (await ask(held, f"{series}/raise", "POST", json={})).json()["count"] == 2
    assert (await ask(held, f"{study}/cancel", "POST", json={})).json()["count"] == 2
    assert (await ask(held, instance)).json()["next_attempt"] is None
    assert (await ask(held, f"{study}/requeue", "POST", json={})).json() == {"count": 0}
    plain = {"content": b"", "headers": {"content-type": "text/plain"}}
    assert (await ask(held, f"{study}/raise", "POST", **plain)).status_code == 415


async def test_a_study_is_read_anew_by_a_ticket(held: Door) -> None:
    key = held.keys[CT]
    assert (await ask(held, f"/api/v1/studies/{key.study}/reindex", "POST", json={})).json() == {"count": 1}
    queue = held.services.queue
    assert queue is not None
    (lease,) = queue.take("test", kinds=[Kind.REINDEX], limit=10, lease_seconds=9)
    assert lease.ticket.key == key.of_study
    assert (await ask(held, "/api/v1/studies/1.9/reindex", "POST", json={})).status_code == 404
