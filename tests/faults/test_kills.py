"""Each role killed at many moments while it receives, imports, commits, preprocesses and reconciles (S-17)."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
import zipfile
from contextlib import closing, suppress
from functools import partial
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from tests.faults.ending import assert_all_ready, assert_held, at_rest
from tests.faults.sending import Sender, all_acknowledged, c_store, importing, made, stow
from tests.journeys.server import RunningServer, running, start, wait_for
from tests.phantoms.collection import write_ct
from tests.run.test_serve import pids
from tests.run.test_supervisor import gone

SOON = ("--set", "work.lease_seconds=2", "--set", "work.sweep_seconds=2")
EACH = 80
ROLE_KILLS = int(os.environ.get("FAULT_KILLS", "2"))
"""Fewer: the supervisor starts a role that keeps dying later and later."""


def senders(server: RunningServer) -> tuple[list[Sender], dict[str, bytes]]:
    by_web, by_dimse = made("1.2.10", EACH), made("1.2.11", EACH)
    begun = [Sender(by_web, stow(server)), Sender(by_dimse, c_store(server))]
    for sender in begun:
        sender.start()
    return begun, by_web | by_dimse


@pytest.mark.parametrize("role", ["web", "dimse", "worker"])
def test_a_role_killed_again_and_again_loses_nothing(tmp_path: Path, role: str) -> None:
    with running(tmp_path / "data", extra=SOON) as server:
        imported = made("1.2.12", EACH)
        importer = importing(server, tmp_path / "files", imported)
        begun, sent = senders(server)
        for kill in range(ROLE_KILLS):
            wait_for(partial(has_had, server, role, kill + 1), f"another {role}")
            wait_for(partial(has_done, server, role, begun, 15 * (kill + 1)), f"{role} to do something")
            moment(kill)
            os.kill(pids(server, role)[-1], signal.SIGKILL)
        wait_for(lambda: all_acknowledged(begun), "all to be acknowledged", seconds=60)
        assert importer.wait(60) == 0
        assert_all_ready(server, sent | imported)


@pytest.mark.parametrize(("what", "kills"), [("supervisor", ROLE_KILLS), ("everything", 2 * ROLE_KILLS)])
def test_a_server_killed_again_and_again_loses_nothing_acknowledged(tmp_path: Path, what: str, kills: int) -> None:
    files = made("1.2.10", EACH) | made("1.2.11", EACH)
    acknowledged: set[str] = set()
    for kill in range(kills):
        server = start(tmp_path / "data", extra=SOON)
        left = {uid: body for uid, body in files.items() if uid not in acknowledged}
        halves = [{uid: left[uid] for uid in list(left)[half::2]} for half in range(2)]
        begun = [Sender(halves[0], stow(server)), Sender(halves[1], c_store(server))]
        for sender in begun:
            sender.start()
        wait_for(partial(any_answered, begun), "a first answer")
        moment(kill)
        os.kill(server.process.pid, signal.SIGKILL) if what == "supervisor" else server.kill()
        server.process.wait(30)
        children = [pid for role in ("web", "dimse", "worker") for pid in pids(server, role)[-1:]]
        assert all(gone(pid) for pid in children)
        for sender in begun:
            sender.stop()
            acknowledged |= sender.acknowledged
    assert acknowledged
    with running(tmp_path / "data", extra=SOON) as server:
        assert_held(server, {uid: files[uid] for uid in acknowledged})
        begun = [Sender(files, stow(server))]
        begun[0].start()
        wait_for(lambda: all_acknowledged(begun), "all to be acknowledged", seconds=60)
        assert_all_ready(server, files)


def test_a_killed_import_is_completed_by_the_next(tmp_path: Path) -> None:
    files = made("1.2.12", 2 * EACH)
    with running(tmp_path / "data", extra=SOON) as server:
        for kill in range(2 * ROLE_KILLS):
            importer = importing(server, tmp_path / "files", files)
            time.sleep(0.4 + 0.1 * kill)
            importer.kill()
            importer.wait()
        assert importing(server, tmp_path / "files", files).wait(60) == 0
        assert_all_ready(server, files)


def test_killed_decoders_cost_no_image_its_picture(tmp_path: Path) -> None:
    """By the kernel, or by whoever ends a service: the images are not to blame."""
    files = made("1.2.13", EACH)
    with running(tmp_path / "data", extra=SOON) as server:
        (worker,) = pids(server, "worker")
        sender = Sender(files, stow(server))
        sender.start()
        for kill in range(ROLE_KILLS):
            wait_for(lambda: bool(decoders(worker)), "a decoder")
            moment(kill)
            for pid in decoders(worker):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        wait_for(lambda: all_acknowledged([sender]), "all to be acknowledged", seconds=60)
        assert_all_ready(server, files)
        assert pids(server, "worker") == [worker]


def decoders(worker: int) -> list[int]:
    """The processes that a worker's fork server has made."""
    return [pid for helper in children(worker) for pid in children(helper)]


def children(parent: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found


def any_answered(begun: list[Sender]) -> bool:
    return any(sender.acknowledged or not sender.is_alive() for sender in begun)


def has_had(server: RunningServer, role: str, processes: int) -> bool:
    return len(pids(server, role)) == processes


def has_done(server: RunningServer, role: str, begun: list[Sender], instances: int) -> bool:
    if role == "worker":
        with closing(sqlite3.connect(server.data / "catalog.sqlite")) as catalog:
            (ready,) = catalog.execute("SELECT count(*) FROM instance WHERE state = 4").fetchone()
        return bool(ready >= instances)
    return len(begun[role == "dimse"].acknowledged) >= instances


def moment(kill: int) -> None:
    """Let a little more time pass at each kill, so that each falls into another stage."""
    time.sleep(0.013 * kill)


@pytest.mark.parametrize("syntax", ["*", JPEGLSLossless])
def test_a_download_breaks_with_the_server_and_leaves_nothing_behind(tmp_path: Path, syntax: str) -> None:
    """An archive is written while it is sent; in another transfer syntax its files are made and kept."""
    write_ct(tmp_path / "files", slices=40)
    file = pydicom.dcmread(tmp_path / "files" / "00000.dcm", stop_before_pixels=True)
    server = start(tmp_path / "data", extra=SOON)
    try:
        server.import_files(tmp_path / "files")
        wait_for(lambda: at_rest(server), "the end of all work")
        before = held_files(server)
        address = f"{server.dicomweb}/studies/{file.StudyInstanceUID}"
        accept = {"Accept": f'application/zip; transfer-syntax="{syntax}"'}
        with pytest.raises(httpx.TransportError), httpx.stream("GET", address, headers=accept, timeout=60) as answer:
            assert answer.status_code == 200
            blocks = answer.iter_raw()
            next(blocks)
            server.kill()
            for _ in blocks:
                pass
    finally:
        server.kill()
    with running(tmp_path / "data", extra=SOON) as again:
        archive = httpx.get(f"{again.dicomweb}/studies/{file.StudyInstanceUID}", headers=accept, timeout=60)
        with zipfile.ZipFile(BytesIO(archive.content)) as found:
            assert (found.testzip(), len(found.namelist())) == (None, 40)
        assert held_files(again) == before
        assert [path for path in (again.data / "derived").glob("*/*") if path.suffix] == []
        assert again.cli("verify").returncode == 0


def held_files(server: RunningServer) -> set[Path]:
    """All that is held or was begun, but the derived forms that are kept."""
    return {path for path in (server.data / "objects").rglob("*") if path.is_file()}
