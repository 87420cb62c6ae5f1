from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.model.errors import BackendFailed, BadRequest, NotFound, TooLarge
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.manifest import Location, location, manifest_of
from dicomweb_server.sources.content import Allowed, ContentSource

CONTENT = b"x" * 700_000


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is what some tests are about."""


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/there":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.send_error(503)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


KEY = InstanceKey("1.2", "1.2.3", "1.2.3.4")


def fetched(folder: Path, url: str, *, private: bool = True, **more: Any) -> Any:
    allowed = Allowed(frozenset({"127.0.0.1", "localhost"}), private, resolve=lambda host, port: ["93.184.216.34"])
    source = ContentSource("m", lambda keys: {KEY: Location(url, **more)}, allowed)
    (answer,) = source.fetch([KEY], lambda: folder / "staged")
    source.close()
    return answer


def test_content_comes_and_is_checked(site: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    answer = fetched(tmp_path, f"{site}/there", size=len(CONTENT), sha256=digest)
    assert answer.staged.read_bytes() == CONTENT


def test_a_redirect_is_followed(site: str, tmp_path: Path) -> None:
    assert fetched(tmp_path, f"{site}/to/{site}/there").staged.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "more", "error"),
    [
        ("/there", {"sha256": "00"}, BackendFailed),
        ("/there", {"size": 10}, TooLarge),
        ("/there", {"size": len(CONTENT) + 1}, BackendFailed),
        ("/to/file:///etc/passwd", {}, BadRequest),
        ("/to/http://example.org/", {}, BadRequest),
        ("/busy", {}, BackendFailed),
        ("/there", {"private": False}, BadRequest),
    ],
)
def test_what_is_not_as_promised_is_refused_and_leaves_nothing(
    site: str, tmp_path: Path, path: str, more: dict[str, Any], error: type[Exception]
) -> None:
    answer = fetched(tmp_path, site + path, **more)
    assert (type(answer.error), answer.staged, list(tmp_path.iterdir())) == (error, None, [])


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://images.example/a", "http://other.example/a", "http://user:x@images.example/a", "/a"],
)
def test_only_listed_hosts_by_http(url: str) -> None:
    with pytest.raises(BadRequest):
        Allowed(frozenset({"images.example"}), resolve=lambda host, port: ["93.184.216.34"]).check(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fd00::1", "192.168.1.1"])
def test_a_listed_host_with_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(BadRequest, match="private"):
        Allowed(frozenset({"images.example"}), resolve=lambda host, port: [address]).check("https://images.example/a")


ENTRY = {"uid": "1.4", "url": "https://images.example/a"}


def studies(*instances: dict[str, Any], uid: str = "1.2") -> dict[str, Any]:
    return {"uid": uid, "series": [{"uid": "1.3", "instances": list(instances)}]}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "manifest"),
        ({}, "studies"),
        ({"studies": []}, "empty"),
        ({"studies": [{}]}, r"studies\[0\] has no 'uid'"),
        ({"studies": [{"uid": "../x", "series": []}]}, "Study Instance UID"),
        ({"studies": [studies({"uid": "1.4"})]}, "url"),
        ({"studies": [studies(ENTRY), studies(ENTRY)]}, "twice"),
        ({"studies": [studies({**ENTRY, "url": "http://[::"})]}, "http"),
        ({"studies": [studies({**ENTRY, "url": "https://elsewhere.example/a"})]}, "elsewhere.example"),
        ({"studies": [studies({**ENTRY, "size": "9"})]}, "size"),
    ],
)
def test_a_bad_manifest_is_refused_naming_the_place(document: Any, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        manifest_of(document, hosts=["images.example"])


def test_a_manifest_of_too_many_instances_is_refused() -> None:
    with pytest.raises(TooLarge, match="2 instances"):
        manifest_of({"studies": [studies(ENTRY, {**ENTRY, "uid": "1.5"})]}, hosts=["images.example"], instances=1)


def test_a_location_is_read_as_it_was_written_down() -> None:
    written = Location('https://images.example/ä?b="c"', 7, "ab")
    assert location(str(written)) == written


def test_what_no_manifest_names_is_not_there(tmp_path: Path) -> None:
    source = ContentSource("m", lambda keys: {}, Allowed(frozenset()))
    (answer,) = source.fetch([KEY], lambda: tmp_path / "staged")
    source.close()
    assert isinstance(answer.error, NotFound)
