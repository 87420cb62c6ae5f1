"""Requests over connections that are kept, and what they cost the server."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.speed.servers import Server, Use


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request, on the average; ``wall`` is the median."""

    cpu: float
    """Milliseconds of the processor, in all processes of the server."""
    decoders: float
    """Of these, in the processes that decode."""
    wall: float
    """Milliseconds until the answer was there."""
    waits: float
    """How often a thread of the server waited."""

    @classmethod
    def of(cls, use: Use, walls: Sequence[float]) -> Cost:
        count = len(walls)
        milliseconds = 1e3 / count
        wall = statistics.median(walls) * 1e3
        return cls(use.seconds * milliseconds, use.decoders * milliseconds, wall, use.waits / count)


def each_once(server: Server, paths: Sequence[str], accept: str, *, connections: int) -> Cost:
    """Every path asked for once. Raises ValueError for an answer other than 200."""
    rest = iter(paths)
    lock = threading.Lock()

    def one() -> str | None:
        with lock:
            return next(rest, None)

    return _asked(server, [one] * connections, accept)


def again_and_again(
    server: Server, paths: Sequence[str], accept: str, *, connections: int, seconds: float = 1.0
) -> Cost:
    """The same paths in turns for so long."""
    end = time.monotonic() + seconds

    def turns(first: int) -> Callable[[], str | None]:
        numbers = _up_from(first)
        return lambda: paths[next(numbers) % len(paths)] if time.monotonic() < end else None

    return _asked(server, [turns(number) for number in range(connections)], accept)


def _up_from(number: int) -> Iterator[int]:
    while True:
        yield number
        number += 1


def _asked(server: Server, chosen: Sequence[Callable[[], str | None]], accept: str) -> Cost:
    walls: list[float] = []
    failures: list[Exception] = []

    def client(choose: Callable[[], str | None]) -> None:
        try:
            walls.extend(_walls(server, choose, accept))
        except Exception as error:  # a thread would end with it, and the row be of fewer requests
            failures.append(error)

    threads = [threading.Thread(target=client, args=(choose,)) for choose in chosen]
    before = server.use()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use = server.use() - before
    if failures:
        raise failures[0]
    return Cost.of(use, walls)


def _walls(server: Server, choose: Callable[[], str | None], accept: str) -> Iterator[float]:
    root = urlsplit(server.dicomweb)
    connection = HTTPConnection(root.netloc, timeout=60)
    try:
        while (path := choose()) is not None:
            began = time.perf_counter()
            connection.request("GET", root.path.rstrip("/") + path, headers={"Accept": accept})
            answer = connection.getresponse()
            body = answer.read()
            yield time.perf_counter() - began
            if answer.status != 200 or not body:
                raise ValueError(f"{server.name} answers {path} with {answer.status}: {body[:200]!r}")
    finally:
        connection.close()
