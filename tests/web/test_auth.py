"""Keys at the HTTP door: who is let in, to do what, and what the others are told (A-01, A-06, A-08, A-09)."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from dicomweb_server.model import access
from dicomweb_server.model.access import Right
from dicomweb_server.web.address import AddressRules
from dicomweb_server.web.app import WebOptions, make_app
from dicomweb_server.web.auth import FAILURES, Failures
from dicomweb_server.web.keyring import Keyring
from dicomweb_server.web.links import Links
from tests.web.making import BASE_URL
from tests.web.retrieving import Door, door

CT = "generated/ts/ct_evle.dcm"
RIGHTS = {
    "viewer": [Right.READ],
    "modality": [Right.STORE],
    "steward": [Right.READ, Right.DELETE],
    "hub": list(Right),
}
LINKS = Links(b"k" * 32)
PROXY = "192.0.2.9"


@dataclass
class Clock:
    time: float = 0.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Site:
    held: Door
    file: Path
    secrets: dict[str, str]
    clock: Clock
    peer: str = "192.0.2.1"
    options: WebOptions = field(init=False)

    def __post_init__(self) -> None:
        self.options = WebOptions(
            keys=Keyring(self.file, now=self.clock),
            allow_delete=True,
            links=LINKS,
            address=AddressRules(trusted_proxies=(ip_network(PROXY),)),
        )
        self.app = make_app(self.held.services, options=self.options)

    def client(self, peer: str | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, client=(peer or self.peer, 4711))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[name]}"}

    def basic(self, name: str, secret: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("auth"), CT) as opened:
        yield opened


@pytest.fixture
def site(held: Door, tmp_path: Path) -> Site:
    made = {name: access.made(name, rights) for name, rights in RIGHTS.items()}
    file = tmp_path / "keys"
    file.write_text("# who may come in\n\n" + "".join(key.line() + "  # of 2026\n" for _, key in made.values()))
    return Site(held, file, {name: secret for name, (secret, _) in made.items()}, Clock())


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.client() as client:
        yield client


STUDIES = "/dicomweb/studies"
NEEDED = [
    ("GET", STUDIES, Right.READ),
    ("HEAD", STUDIES, Right.READ),
    ("GET", "/dicomweb?requestType=WADO", Right.READ),
    ("GET", "/", Right.READ),
    ("GET", "/metrics", Right.READ),
    ("GET", "/viewer/", Right.READ),
    ("GET", "/api/v1/status", Right.READ),
    ("GET", "/no/such/thing", Right.READ),
    ("POST", STUDIES, Right.STORE),
    ("POST", STUDIES + "/1.2.3", Right.STORE),
    ("DELETE", STUDIES + "/1.2.3", Right.DELETE),
    ("POST", "/api/v1/collections", Right.OPERATE),
    ("POST", "/api/v1/studies/1.2.3/raise", Right.OPERATE),
]


@pytest.mark.parametrize(("method", "path", "right"), NEEDED, ids=lambda value: str(value))
async def test_each_request_needs_one_right(
    site: Site, client: httpx.AsyncClient, method: str, path: str, right: Right
) -> None:
    assert (await client.request(method, path)).status_code == 401
    for name, rights in RIGHTS.items():
        answer = await client.request(method, path, headers=site.bearer(name))
        if right in rights:
            assert answer.status_code not in (401, 403, 429)
        else:
            assert answer.status_code == 403
            challenge = answer.headers["www-authenticate"]
            assert f'error="insufficient_scope", scope="{right}"' in challenge


async def test_nobody_learns_without_a_key_what_there_is(site: Site, client: httpx.AsyncClient) -> None:
    """C-09: what is not there is not told from what is."""
    answers = [await client.get(f"/dicomweb{path}") for path in (site.held.at(CT), "/studies/1.2.3", "/nothing")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_whether_it_lives_is_told_to_everybody(client: httpx.AsyncClient, path: str) -> None:
    """H-27"""
    assert (await client.get(path)).status_code == 200


async def test_what_a_viewer_of_another_origin_is_told(client: httpx.AsyncClient) -> None:
    """Probe 27, A-01."""
    origin = {"Origin": "http://localhost:3000"}
    asked = {**origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = await client.options(STUDIES, headers=asked)
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    for given, error in ((None, ""), ("Bearer wrong", ', error="invalid_token"')):
        headers = origin if given is None else {**origin, "Authorization": given}
        answer = await client.get(STUDIES, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'Bearer realm="dicomweb"{error}'
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "given", [b"", b"Bearer", b"Bearer ", b"Basic !", b"Basic Zm9v", b"Digest x", b"\xe9", b"Bearer \xe9"]
)
async def test_odd_credentials_are_none(client: httpx.AsyncClient, given: bytes) -> None:
    answer = await client.get(STUDIES, headers={b"Authorization": given})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("peer", "forwarded", "private"),
    [
        ("192.0.2.1", {}, False),
        ("192.0.2.1", {"X-Forwarded-Proto": "https"}, False),
        ("127.0.0.1", {}, True),
        (PROXY, {"X-Forwarded-Proto": "https"}, True),
        (PROXY, {"X-Forwarded-Proto": "http"}, False),
    ],
)
async def test_a_password_is_asked_for_and_taken_only_where_nobody_can_read_it(
    site: Site, peer: str, forwarded: dict[str, str], private: bool
) -> None:
    """A-06"""
    right = site.basic("viewer", site.secrets["viewer"])
    async with site.client(peer) as client:
        asked = (await client.get(STUDIES, headers=forwarded)).headers.get_list("www-authenticate")
        assert [line.partition(" ")[0] for line in asked] == ["Bearer", *(["Basic"] if private else [])]
        assert (await client.get(STUDIES, headers={**right, **forwarded})).status_code == (200 if private else 401)
        other = site.basic("modality", site.secrets["viewer"])
        assert (await client.get(STUDIES, headers={**other, **forwarded})).status_code == 401


@pytest.mark.parametrize("path", [STUDIES, "/api/v1/studies/1.2.3/raise", "/api/v1/collections"])
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
async def test_a_form_of_another_page_changes_nothing_by_the_password_that_a_browser_keeps(
    site: Site, path: str, kind: str
) -> None:
    """A-03: what browsers send without asking first is taken nowhere."""
    forged = {**site.basic("hub", site.secrets["hub"]), "Origin": "http://evil.example", "Content-Type": kind}
    async with site.client("127.0.0.1") as client:
        assert (await client.post(path, headers=forged, content=b"x=1")).status_code == 415


async def test_a_signed_link_needs_no_key_and_leads_nowhere_else(site: Site, client: httpx.AsyncClient) -> None:
    path = f"/dicomweb{site.held.at(CT)}/metadata"
    link = LINKS.sign(path)
    assert (await client.get(link)).status_code == 200
    assert (await client.get(link.removesuffix(path) + STUDIES)).status_code == 403
    assert (await client.delete(link)).status_code in (403, 405)
    assert (await client.get(path)).status_code == 401


async def test_a_key_is_withdrawn_and_another_made_while_the_server_runs(
    site: Site, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def reads(name: str) -> bool:
        site.clock.time += 1.0
        return (await client.get(STUDIES, headers=site.bearer(name))).status_code == 200

    assert await reads("viewer")
    text = site.file.read_text()
    site.file.write_text("\n".join(line for line in text.splitlines() if "viewer" not in line))
    assert not await reads("viewer")
    site.file.write_text("scribbled over")
    os.utime(site.file, (1, 1))
    assert await reads("hub")
    assert "line 1" in caplog.text
    assert "scribbled" not in caplog.text
    site.file.unlink()
    assert await reads("hub")
    site.file.write_text(text)
    assert await reads("viewer")


async def test_whoever_guesses_has_to_wait_and_the_others_have_not(site: Site, client: httpx.AsyncClient) -> None:
    """A-09"""
    wrong = {"Authorization": "Bearer guess"}
    for _ in range(FAILURES):
        assert (await client.get(STUDIES, headers=wrong)).status_code == 401
    waiting = await client.get(STUDIES, headers=wrong)
    assert (waiting.status_code, 1 <= int(waiting.headers["retry-after"]) <= 60) == (429, True)
    assert (await client.get(STUDIES, headers=site.bearer("viewer"))).status_code == 200
    async with site.client("192.0.2.2") as another:
        assert (await another.get(STUDIES, headers=wrong)).status_code == 401


def test_failures_are_forgotten_after_a_minute_and_of_old_addresses_first() -> None:
    clock = Clock()
    failures = Failures(clock)
    assert [failures.wait("a") for _ in range(FAILURES + 1)] == [0.0] * FAILURES + [60.0]
    clock.time = 59.0
    assert failures.wait("a") == pytest.approx(1.0)
    clock.time = 60.0
    assert failures.wait("a") == 0.0
    for number in range(20_000):
        failures.wait(str(number))
    assert len(failures._counts) == 10_000


@pytest.mark.parametrize(
    "line",
    ["viewer read", "viewer write {d}", "viewer read {d} more", "vi/ewer read {d}", "viewer , {d}", "viewer read 00"],
)
def test_a_broken_file_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "keys"
    file.write_text("# keys\n" + line.format(d="ab" * 32) + "\n")
    with pytest.raises(ValueError, match="line 2") as caught:
        Keyring(file)
    assert "viewer" not in str(caught.value)
