"""An HTTP door over files of the corpus, and how a client takes its answers apart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.types import Message, Scope

from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.pool.base import Pool
from dicomweb_server.retrieve.bulkdata import Bulkdata
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.frames import Frames
from dicomweb_server.retrieve.metadata import Metadata
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.search import Search
from dicomweb_server.retrieve.shelf import Shelf
from dicomweb_server.retrieve.thumbnails import Thumbnails
from dicomweb_server.retrieve.transcoded import TranscodedForms
from dicomweb_server.web.app import make_app
from dicomweb_server.web.services import Services
from tests.holding import Holding, holding
from tests.web.making import BASE_URL, HerePool

BASE = f"{BASE_URL}/dicomweb"
STORED_FRAMES = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@dataclass
class Door:
    held: Holding
    services: Services
    keys: Mapping[str, InstanceKey]
    """By name of the file in the corpus."""

    async def get(self, path: str, accept: str | None = None, method: str = "GET", **headers: str) -> httpx.Response:
        """Underscores in header names stand for hyphens; paths below the DICOMweb root."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if accept is not None:
            named["accept"] = accept
        async with self.client() as client:
            client.headers.pop("accept")
            return await client.request(method, f"/dicomweb{path}", headers=named)

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=make_app(self.services))
        return httpx.AsyncClient(transport=transport, base_url=BASE_URL)

    def at(self, name: str) -> str:
        return instance_path(self.keys[name])


def instance_path(key: InstanceKey) -> str:
    return f"/studies/{key.study}/series/{key.series}/instances/{key.instance}"


@contextmanager
def door(folder: Path, *names: str, pool: Pool | None = None) -> Iterator[Door]:
    """``pool`` draws and decodes; without one it is done right here."""
    pool = pool or HerePool()
    with holding(folder) as held:
        keys = held.take_all(names)
        shelf = Shelf(held.catalog, held.objects)
        derived = Derived(folder / "derived", 1 << 28)
        services = Services(
            catalog=held.catalog,
            objects=held.objects,
            receive=held.receive,
            pool=pool,
            shelf=shelf,
            frames=Frames(shelf),
            metadata=Metadata(shelf),
            bulkdata=Bulkdata(shelf),
            search=Search(held.catalog),
            rendered=Rendered(shelf, pool, derived),
            thumbnails=Thumbnails(Rendered(shelf, pool)),
            transcoded=TranscodedForms(Rendered(shelf, pool), derived),
        )
        yield Door(held, services, keys)


def asgi_scope(path: str, accept: str) -> Scope:
    """A GET as an ASGI server hands it on, for tests that look at the messages of the answer."""
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"accept", accept.encode()), (b"host", b"testserver")],
        "scheme": "http",
        "root_path": "",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
    }


async def waiting() -> Message:
    """A client that has sent everything and stays."""
    await asyncio.Event().wait()
    raise AssertionError


@dataclass(frozen=True)
class Part:
    headers: dict[str, str]
    """Names exactly as sent."""
    body: bytes


def parts(answer: httpx.Response) -> list[Part]:
    """The parts of a multipart answer, read as strictly as PS3.18 8.6.1.2.1 has it."""
    found = re.search(r"boundary=([0-9A-Za-z'()+_,./:=?-]{32,70})$", answer.headers["content-type"])
    assert found is not None, answer.headers["content-type"]
    delimiter = b"--" + found[1].encode()
    body = answer.content
    assert body.startswith(delimiter + b"\r\n")
    assert body.endswith(b"\r\n" + delimiter + b"--\r\n")
    pieces = body.removesuffix(b"\r\n" + delimiter + b"--\r\n")[len(delimiter) + 2 :].split(
        b"\r\n" + delimiter + b"\r\n"
    )
    return [_part(piece) for piece in pieces]


def _part(piece: bytes) -> Part:
    head, _, body = piece.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    assert int(headers.get("Content-Length", len(body))) == len(body)
    return Part(headers, body)
