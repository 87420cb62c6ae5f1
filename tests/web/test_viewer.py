"""The page at the root, and a viewer installed in a folder."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest

from dicomweb_server.web.app import WebOptions
from tests.web import making

BUNDLE = "app.bundle.0f6159c501addfe9.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    viewer = tmp_path / "viewer"
    (viewer / "assets").mkdir(parents=True)
    (viewer / "index.html").write_text("<html>viewer</html>")
    (viewer / "app-config.js").write_text("window.config = 'somebody else'")
    (viewer / BUNDLE).write_text("bundle();" * 1000)
    (viewer / "assets" / "icon.png").write_bytes(b"\x89PNG")
    (viewer / "odd.exe").write_bytes(b"MZ")
    (viewer / ".secret").write_text("x")
    (tmp_path / "outside.js").write_text("outside")
    (viewer / "link.js").symlink_to(tmp_path / "outside.js")
    return viewer


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with making.client(options=WebOptions(viewer=folder)) as client:
        yield client


@pytest.mark.parametrize("path", ["/viewer", "/viewer/", "/viewer/viewer?StudyInstanceUIDs=1.2", "/viewer/tmtv"])
async def test_the_viewer_routes_its_own_paths(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.text == "<html>viewer</html>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", [f"/{BUNDLE}", f"/viewer/{BUNDLE}"])
async def test_files_named_by_their_content_are_kept_for_ever(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.text == "bundle();" * 1000
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "media_type"), [("/assets/icon.png", "image/png"), ("/odd.exe", "application/octet-stream")]
)
async def test_types_come_from_a_list(client: httpx.AsyncClient, path: str, media_type: str) -> None:
    assert (await client.get(path)).headers["content-type"] == media_type


@pytest.mark.parametrize(
    "path",
    [
        "/.secret",
        "/viewer/.secret",
        "/link.js",
        "/viewer/../outside.js",
        "/..%2foutside.js",
        "/a%00b.js",
        "/assets",
        "/x.js",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404 or answer.text == "<html>viewer</html>"
    assert "outside" not in answer.text


async def test_an_unchanged_file_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    first = await client.get("/viewer")
    again = await client.get("/viewer", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


async def test_a_file_is_sent_plain_to_who_cannot_unpack(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", f"/{BUNDLE}") as packed:
        raw = b"".join([piece async for piece in packed.aiter_raw()])
    plain = await client.get(f"/{BUNDLE}", headers={"accept-encoding": "identity"})
    assert gzip.decompress(raw) == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("path", ["/app-config.js", "/viewer/app-config.js"])
async def test_the_viewer_is_configured_for_this_server(client: httpx.AsyncClient, path: str) -> None:
    script = (await client.get(path)).text
    assert 'window.location.origin + "/dicomweb"' in script
    found = re.search(r"const source = (\{.*\});", script)
    assert found is not None
    configuration = orjson.loads(found[1])["configuration"]
    assert configuration["omitQuotationForMultipartRequest"] is True
    assert configuration["qidoSupportsIncludeField"] is True
    assert '"routerBasename":"/viewer"' in script
    assert "http" not in script


async def test_without_a_viewer_its_paths_are_unknown() -> None:
    async with making.client() as client:
        assert (await client.get("/viewer/")).status_code == 404
        assert (await client.get("/app-config.js")).status_code == 404


async def test_an_unknown_path_of_the_service_is_no_page_of_the_viewer(client: httpx.AsyncClient) -> None:
    assert (await client.get("/dicomweb/nothing")).status_code == 404
    assert (await client.post("/nothing")).status_code == 404


async def test_the_page_leads_to_the_viewer(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert 'href="/viewer/"' in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for name in re.findall(r'(?:href|src)="(/page/[^"]+)"', answer.text):
        assert (await client.get(name)).status_code == 200
    assert (await client.get("/api/v1/status")).json()["viewer"] is True
