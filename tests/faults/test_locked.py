"""A catalog that another process holds locked: a clear answer, nothing lost, and back at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from tests.faults.ending import assert_all_ready, assert_held
from tests.faults.sending import c_store_status, made, stow_status
from tests.journeys.server import RunningServer, running
from tests.run.test_serve import pids


@contextmanager
def locked(server: RunningServer) -> Iterator[None]:
    with closing(sqlite3.connect(server.data / "catalog.sqlite", timeout=30, isolation_level=None)) as catalog:
        catalog.execute("BEGIN EXCLUSIVE")
        yield
        catalog.execute("ROLLBACK")


def test_who_stores_into_a_locked_catalog_is_told_to_come_again(tmp_path: Path) -> None:
    before, later = made("1.2.20", 6), made("1.2.21", 8)
    bodies = list(later.values())
    with running(tmp_path / "data", extra=("--set", "work.lease_seconds=2")) as server:
        assert {stow_status(server, body) for body in before.values()} == {200}
        with locked(server), ThreadPoolExecutor(2) as threads:
            by_web = threads.submit(stow_status, server, bodies[0])
            by_dimse = threads.submit(c_store_status, server, bodies[4])
            assert_held(server, before)
            assert by_web.result() == 503
            assert by_dimse.result() in (None, 0x0110, 0xA700)
        assert {stow_status(server, body) for body in bodies[:4]} == {200}
        assert {c_store_status(server, body) for body in bodies[4:]} == {0}
        assert_all_ready(server, before | later)
        assert [len(pids(server, role)) for role in ("web", "dimse", "worker")] == [1, 1, 1]
