"""A web site that holds files of the corpus, takes webhooks, and counts what it is asked."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pydicom

from tests import corpus


class Site(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.told: list[dict[str, Any]] = []
        self.documents: dict[str, bytes] = {}
        self.sick = threading.Event()
        """While set, every answer is 503."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.asked[name] += 1
        if self.server.sick.is_set():
            self.send_error(503)
            return
        found = self.server.documents.get(name)
        body = found if found is not None else corpus.path(name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(orjson.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def open_site() -> Iterator[Site]:
    with Site() as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


def manifest(site: Site, *names: str, time_point: str = "baseline") -> dict[str, Any]:
    """A manifest of files of the corpus, with sizes and digests."""
    studies: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names:
        data_set = pydicom.dcmread(corpus.path(name), stop_before_pixels=True)
        content = corpus.path(name).read_bytes()
        entry = {
            "uid": data_set.SOPInstanceUID,
            "url": f"{site.url}/{name}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "attributes": {"00200013": {"vr": "IS", "Value": [int(data_set.InstanceNumber)]}},
        }
        series = studies.setdefault(data_set.StudyInstanceUID, {}).setdefault(
            data_set.SeriesInstanceUID,
            {
                "uid": data_set.SeriesInstanceUID,
                "attributes": {"00080060": {"vr": "CS", "Value": [data_set.Modality]}},
                "instances": [],
            },
        )
        series["instances"].append(entry)
    return {
        "patient": {"id": "M-1", "issuer": "ELSEWHERE"},
        "studies": [
            {"uid": uid, "time_point": time_point, "position": number, "series": list(series.values())}
            for number, (uid, series) in enumerate(studies.items(), 1)
        ],
    }
