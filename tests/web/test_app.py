"""What holds for every route: methods, problems, request ids, and other origins."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from dicomweb_server.model import errors
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.ids import Scope as Named
from dicomweb_server.model.records import LOCAL, Principal
from dicomweb_server.web.app import WebOptions
from dicomweb_server.web.cors import CorsRules
from dicomweb_server.web.envelope import Envelope
from dicomweb_server.web.problems import answer_to
from dicomweb_server.web.resource import Resource
from tests.web import making

ELSEWHERE = "https://viewer.example"
PREFLIGHT = {"origin": "http://localhost:3000", "access-control-request-method": "GET"}


async def test_an_unknown_path_is_a_problem_in_json() -> None:
    async with making.client() as client:
        answer = await client.get("/dicomweb/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found", "detail": "there is no such resource"}
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_problem_is_text_for_who_wants_no_json() -> None:
    async with making.client() as client:
        answer = await client.get("/dicomweb/nothing", headers={"accept": "text/html"})
    assert answer.text == "Not Found: there is no such resource\n"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/dicomweb/studies", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/dicomweb/series", "GET, HEAD, OPTIONS"),
        ("DELETE", "/dicomweb/studies/1.2/series", "GET, HEAD, OPTIONS"),
        ("PATCH", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_gets_405_and_what_is_allowed(method: str, path: str, allow: str) -> None:
    async with making.client() as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with making.client(making.searching([b'{"a":1}'])) as client:
        get, head = await client.get("/dicomweb/studies"), await client.head("/dicomweb/studies")
    assert head.content == b""
    assert [head.headers[name] for name in ("etag", "content-length")] == [
        get.headers[name] for name in ("etag", "content-length")
    ]


async def test_head_does_not_read_what_it_will_not_send() -> None:
    read = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield b"x"

    async def handler(request: Request) -> Response:
        return StreamingResponse(pieces())

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Resource(GET=handler)), base_url="http://here"
    ) as client:
        assert (await client.head("/")).content == b""
    assert len(read) < 3


@pytest.mark.parametrize(
    "path", ["/dicomweb/studies/..%2f..", "/dicomweb/studies/%2e%2e/series", "/dicomweb/studies/a/series"]
)
async def test_what_is_no_uid_goes_nowhere(path: str) -> None:
    async with making.client() as client:
        assert (await client.get("/dicomweb" + path)).status_code in (400, 404)


@pytest.mark.parametrize("uid", ["1.2%00", "1" * 65, "1" * 3000, "1.2a", "..", "%C3%A4", "1.2%20"])
async def test_a_malformed_uid_is_a_bad_request(uid: str) -> None:
    async with making.client() as client:
        assert (await client.get(f"/dicomweb/studies/{uid}/series/1.2/instances")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadRequest("x"), 400),
        (errors.NotAcceptable("x", available=("a/b",)), 406),
        (errors.UnsupportedMedia("x", available=("a/b",)), 415),
        (errors.TooLarge("x"), 413),
        (errors.NotFound("x"), 404),
        (errors.Gone("x"), 410),
        (errors.Forbidden("x"), 403),
        (errors.Conflict("x"), 409),
        (errors.NotReady("x", retry_after=2.5), 503),
        (errors.Rejected("x", reason=0xC000), 409),
        (errors.BackendFailed("x"), 502),
        (errors.OutOfResources("x"), 503),
    ],
)
async def test_every_error_has_its_status(error: errors.DicomwebError, status: int) -> None:
    answer = answer_to(Request({"type": "http", "headers": []}), error)
    assert answer is not None
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)
    assert (b"a/b" in bytes(answer.body)) == (status in (406, 415))


async def test_what_nobody_foresaw_is_500_and_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("DOE^JOHN")

    app = Envelope(failing, request_id=lambda: "r1")
    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            answer = await client.get("/")
    assert answer.status_code == 500
    assert "request r1" in answer.json()["detail"]
    assert re.search("request r1 failed: RuntimeError at .* > tests.web.test_app:", caplog.text)
    assert "DOE" not in answer.text + caplog.text


async def test_what_fails_halfway_is_cut_off() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await Envelope(failing)({"type": "http", "method": "GET", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


@pytest.mark.parametrize("path", ["/dicomweb/studies", "/dicomweb/studies/1/series/2/instances/3/frames/1"])
async def test_a_preflight_is_answered_before_anything_else(path: str) -> None:
    search = making.searching()
    async with making.client(search) as client:
        answer = await client.options(path, headers={**PREFLIGHT, "access-control-request-headers": "accept"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "Accept" in answer.headers["access-control-allow-headers"]
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "86400"
    assert search.asked == []


async def test_options_that_is_no_preflight_says_what_is_allowed() -> None:
    async with making.client() as client:
        answer = await client.options("/dicomweb/studies", headers={"origin": "http://localhost"})
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert "access-control-max-age" not in answer.headers


@pytest.mark.parametrize(
    ("rules", "origin", "granted"),
    [
        (CorsRules(), "http://localhost:3000", "http://localhost:3000"),
        (CorsRules(), "http://127.0.0.1", "http://127.0.0.1"),
        (CorsRules(), "http://localhost.evil.example", None),
        (CorsRules(), ELSEWHERE, None),
        (CorsRules(), "null", None),
        (CorsRules(origins=(ELSEWHERE,)), ELSEWHERE, ELSEWHERE),
        (CorsRules(origins=(ELSEWHERE,)), "http://localhost", None),
        (CorsRules(origins=("*",)), "http://any.example", "*"),
        (CorsRules(origins=("*",), credentials=True), "http://any.example", "*"),
    ],
)
async def test_which_origins_may_read(rules: CorsRules, origin: str, granted: str | None) -> None:
    async with making.client(options=WebOptions(cors=rules)) as client:
        for path in ("/dicomweb/studies", "/dicomweb/nothing", "/dicomweb/studies?limit=x"):
            answer = await client.get(path, headers={"origin": origin})
            assert answer.headers.get("access-control-allow-origin") == granted
            assert "Origin" in answer.headers["vary"]
            assert ("Content-Range" in answer.headers.get("access-control-expose-headers", "")) == (granted is not None)
            assert "access-control-allow-credentials" not in answer.headers


async def test_credentials_only_for_listed_origins() -> None:
    rules = CorsRules(origins=(ELSEWHERE,), credentials=True)
    async with making.client(options=WebOptions(cors=rules)) as client:
        answer = await client.get("/dicomweb/studies", headers={"origin": ELSEWHERE})
    assert answer.headers["access-control-allow-credentials"] == "true"


async def test_private_network_access_where_it_is_turned_on() -> None:
    asking = {**PREFLIGHT, "access-control-request-private-network": "true"}
    for allowed in (True, False):
        async with making.client(options=WebOptions(cors=CorsRules(private_network=allowed))) as client:
            answer = await client.options("/dicomweb/studies", headers=asking)
        assert ("access-control-allow-private-network" in answer.headers) == allowed


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/studies/1.2", StudyKey("1.2")),
        ("/studies/1.2/series/3.4", SeriesKey("1.2", "3.4")),
        ("/studies/1.2/series/3.4/instances/5.6", InstanceKey("1.2", "3.4", "5.6")),
    ],
)
async def test_deleting_where_it_is_allowed(path: str, key: Named) -> None:
    deleted = []

    def delete(scope: Named, *, principal: Principal = LOCAL) -> None:
        deleted.append(scope)

    async with making.client(deletion=delete, options=WebOptions(allow_delete=True)) as client:
        assert (await client.delete(f"/dicomweb{path}")).status_code == 204
    async with making.client(deletion=delete) as client:
        refused = await client.delete(f"/dicomweb{path}")
    assert refused.status_code == 405
    assert "allow_delete" in refused.json()["detail"]
    assert deleted == [key]


def _fails(error: errors.DicomwebError) -> Callable[..., None]:
    def delete(scope: Named, *, principal: Principal = LOCAL) -> None:
        raise error

    return delete


@pytest.mark.parametrize(("error", "status"), [(errors.NotFound("x"), 404), (errors.Gone("x"), 410)])
async def test_deleting_what_is_not_there(error: errors.DicomwebError, status: int) -> None:
    async with making.client(deletion=_fails(error), options=WebOptions(allow_delete=True)) as client:
        assert (await client.delete("/dicomweb/studies/1.2")).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/status", "/api/v1/status/"])
async def test_operations_answer_in_json(path: str) -> None:
    async with making.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


async def test_status_says_what_is_here() -> None:
    async with making.client() as client:
        status = (await client.get("/api/v1/status")).json()
    assert status["totals"] == {"studies": 1, "instances": 2}
    assert (status["dicomweb"], status["viewer"]) == ("/dicomweb", False)
