from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from dicomweb_server.model.errors import BackendFailed, BadRequest, NotFound, TooLarge
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.sources.manifest import Allowed, Manifest, ManifestSource, parse

CONTENT = b"x" * 700_000


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
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def manifest(url: str, **more: Any) -> Manifest:
    entry = {"uid": "1.2.3.4", "url": url, **more}
    return parse(
        orjson.dumps(
            {"patient": {"id": "P"}, "studies": [{"uid": "1.2", "series": [{"uid": "1.2.3", "instances": [entry]}]}]}
        )
    )


def fetched(site: str, folder: Path, url: str, **more: Any) -> Any:
    source = ManifestSource("m", manifest(url, **more), Allowed(frozenset({"127.0.0.1"}), private=True))
    (answer,) = source.fetch([InstanceKey("1.2", "1.2.3", "1.2.3.4")], lambda: folder / "staged")
    source.close()
    return answer


def test_content_comes_and_is_checked(site: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    answer = fetched(site, tmp_path, f"{site}/there", size=len(CONTENT), sha256=digest)
    assert answer.staged.read_bytes() == CONTENT


def test_a_redirect_is_followed(site: str, tmp_path: Path) -> None:
    assert fetched(site, tmp_path, f"{site}/to/{site}/there").staged.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "more", "error"),
    [
        ("/there", {"sha256": "00"}, BackendFailed),
        ("/there", {"size": 10}, TooLarge),
        ("/there", {"size": len(CONTENT) + 1}, BackendFailed),
        ("/to/file:///etc/passwd", {}, BadRequest),
        ("/to/http://example.org/", {}, BadRequest),
        ("/busy", {}, BackendFailed),
    ],
)
def test_what_is_not_as_promised_is_refused_and_leaves_nothing(
    site: str, tmp_path: Path, path: str, more: dict[str, Any], error: type[Exception]
) -> None:
    answer = fetched(site, tmp_path, site + path, **more)
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


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"[]", "manifest"),
        (b"{}", "studies"),
        (b'{"studies": [{}]}', r"studies\[0\] has no 'uid'"),
        (b'{"studies": [{"uid": "../x", "series": []}]}', "Study Instance UID"),
        (b'{"studies": [{"uid": "1.2", "series": [{"uid": "1.3", "instances": [{"uid": "1.4"}]}]}]}', "url"),
    ],
)
def test_a_bad_manifest_is_refused_naming_the_place(body: bytes, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        parse(body)


def test_a_manifest_describes_its_series_and_instances() -> None:
    source = ManifestSource("m", manifest("https://images.example/a"), Allowed(frozenset()))
    assert source.series("1.2") == [{"0020000E": {"vr": "UI", "Value": ["1.2.3"]}}]
    assert source.instances(SeriesKey("1.2", "1.2.3")) == [{"00080018": {"vr": "UI", "Value": ["1.2.3.4"]}}]
    with pytest.raises(NotFound):
        source.series("1.9")
    source.close()
