"""What is made of images that come in: header, digest, thumbnail, document of the series.

``python -m tests.speed.products [--code NAME=CHECKOUT]...``: images a second on one core without a server; imported
from a folder until the last product is there; and pushed over four connections as fast as they are taken, with how
many thumbnails were drawn meanwhile and how long the others took afterwards. CT slices of 512 KB.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.journeys.server import wait_for
from tests.speed import alone
from tests.speed.images import CT, write
from tests.speed.servers import Choice, Server, servers

CONNECTIONS = 4
TOGETHER = 10


@dataclass(slots=True)
class Options(Choice):
    images: int = 400
    folder: Path | None = None


def on_one_core(code: str, files: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": code}
    command = [sys.executable, alone.__file__, str(files)]
    done = subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=True)
    count = len(list(files.iterdir()))
    used = float(done.stdout)
    return f"{count / used:.0f} images/s on one core, {used / count * 1e3:.2f} ms each"


def imported(server: Server, files: Path) -> str:
    assert server.running is not None
    count = len(list(files.iterdir()))
    before, began, children = server.use().seconds, time.perf_counter(), _of_children()
    server.running.import_files(files)
    stored = time.perf_counter() - began
    with _catalog(server) as catalog:
        wait_for(lambda: not _left(catalog), "the last product", seconds=300.0)
    everything = time.perf_counter() - began
    used = server.use().seconds - before + _of_children() - children
    return (
        f"{count / stored:.0f} images/s until stored, {count / everything:.0f} until the last product, "
        f"{used / count * 1e3:.2f} ms CPU each, the start of the command included"
    )


def pushed(server: Server, files: Sequence[Path]) -> str:
    some = [files[at : at + TOGETHER] for at in range(0, len(files), TOGETHER)]
    before, began = server.use().seconds, time.perf_counter()
    with _catalog(server) as catalog, httpx.Client(timeout=120.0) as client, ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(lambda each: server.store_together(client, each), some))
        stored = time.perf_counter() - began
        drawn = len(files) - _left(catalog, "preprocess")
        wait_for(lambda: not _left(catalog), "the last product", seconds=300.0)
    everything = time.perf_counter() - began
    used = server.use().seconds - before
    return (
        f"{len(files) / stored:.0f} images/s stored, {drawn} of {len(files)} thumbnails drawn meanwhile, "
        f"the last product {everything - stored:.1f} s later, {used / len(files) * 1e3:.2f} ms CPU each"
    )


@contextmanager
def _catalog(server: Server) -> Iterator[sqlite3.Connection]:
    assert server.running is not None
    with closing(sqlite3.connect(server.running.data / "catalog.sqlite")) as catalog:
        yield catalog


def _left(catalog: sqlite3.Connection, kind: str = "%") -> int:
    (left,) = catalog.execute("SELECT count(*) FROM ticket WHERE kind LIKE ?", (kind,)).fetchone()
    return int(left)


def _of_children() -> float:
    """Seconds of the processor of all commands that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.speed.products", description=__doc__)
    parser.add_argument("--code", action="append", default=[], metavar="NAME=CHECKOUT", help="instead of this code")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="where data is written meanwhile")
    asked = parser.parse_args(namespace=Options())
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        first, second = (Path(folder) / name for name in ("imported", "pushed"))
        write(first, CT, asked.images, patient=1)
        files = write(second, CT, asked.images, patient=2).files
        with servers(asked, Path(folder)) as chosen:
            for server, code in zip(chosen, asked.code or ["=."], strict=True):
                print(f"{server.name}: {on_one_core(str(Path(code.partition('=')[2]).absolute()), first)}")
            for server in chosen:
                print(f"{server.name}, folder: {imported(server, first)}")
            for server in chosen:
                server.rest()
                print(f"{server.name}, pushed: {pushed(server, files)}")


if __name__ == "__main__":
    main()
