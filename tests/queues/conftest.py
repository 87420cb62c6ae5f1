from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.queues.base import Queue
from dicomweb_server.queues.memory import MemoryQueue
from dicomweb_server.queues.sql import SqlQueue
from tests import databases


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time

    def passes(self, seconds: float) -> None:
        self.time += seconds


@contextmanager
def opened(kind: str, folder: Path, now: Callable[[], float]) -> Iterator[Queue]:
    if kind == "memory":
        yield MemoryQueue(now=now)
        return
    for url in databases.empty(kind, folder):
        catalog = open_catalog(url)
        yield SqlQueue(catalog.database, now=now)
        catalog.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", *databases.KINDS])
def queue(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Queue]:
    with opened(request.param, tmp_path, clock) as one:
        yield one
