"""A disk that is full, or that may not be written: a clear answer, nothing lost, and back at once (S-17, S-21)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.corpus import path
from tests.faults import filling
from tests.faults.ending import assert_all_ready, assert_held, at_rest
from tests.faults.mounted import Confined, confined, may_mount
from tests.faults.removing import fill
from tests.faults.sending import c_store_status, made, stow_status
from tests.journeys.asking import OCTETS, instance_url, store
from tests.journeys.server import wait_for
from tests.run.test_serve import pids

OUT_OF_RESOURCES = range(0xA700, 0xA800)
CT = "generated/ts/ct_evle.dcm"
FAILURES = {0x0110, *OUT_OF_RESOURCES}

pytestmark = pytest.mark.skipif(not may_mount(), reason="a disk of its own needs the right to mount")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Confined]:
    soon = ("--set", "work.lease_seconds=2", "--set", "work.sweep_seconds=2")
    with confined(tmp_path / "data", size="32m", extra=soon) as server:
        yield server


def test_a_full_disk_is_told_and_everything_works_again_once_there_is_room(server: Confined) -> None:
    before, later = made("1.2.20", 12), made("1.2.21", 12)
    assert {stow_status(server, body) for body in before.values()} == {200}
    server.fill()
    some = list(later.values())
    answers = [stow(server, body) for body in some[:6]]
    assert [answer.status_code for answer in answers] == [503] * 6
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert all((c_store_status(server, body) or 0) in OUT_OF_RESOURCES for body in some[6:])
    assert_held(server, before)
    server.make_room()
    assert {stow_status(server, body) for body in some[:6]} == {200}
    assert {c_store_status(server, body) for body in some[6:]} == {0}
    assert_all_ready(server, before | later)
    assert [len(pids(server, role)) for role in ("web", "dimse")] == [1, 1]


def test_objects_that_may_not_be_written_are_told_and_all_works_again_once_they_may(server: Confined) -> None:
    before, later = made("1.2.20", 12), made("1.2.21", 12)
    assert {stow_status(server, body) for body in before.values()} == {200}
    wait_for(lambda: at_rest(server), "the end of all work")
    server.set_objects("ro")
    some = list(later.values())
    answers = [stow(server, body) for body in some[:6]]
    assert [answer.status_code for answer in answers] == [503] * 6
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert all((c_store_status(server, body) or 0) in FAILURES for body in some[6:])
    assert_held(server, before)
    server.set_objects("rw")
    assert {stow_status(server, body) for body in some[:6]} == {200}
    assert {c_store_status(server, body) for body in some[6:]} == {0}
    assert_all_ready(server, before | later)
    assert [len(pids(server, role)) for role in ("web", "dimse", "worker")] == [1, 1, 1]


SHOWN = {
    "/rendered?window=40,400,linear": ("image/png", 200),
    "/thumbnail?viewport=90,90": ("image/jpeg", 200),
    "/frames/1/thumbnail": ("image/jpeg", 200),
    "/frames/1": (OCTETS + "; transfer-syntax=1.2.840.10008.1.2.4.90", 200),
    "/metadata": ("application/dicom+json", 200),
    "": ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90', 503),
}


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_what_is_held_is_shown_although_nothing_can_be_kept(server: Confined, fault: str) -> None:
    with server.client() as client:
        assert store(client, [path(CT)]).status_code == 200
    wait_for(lambda: at_rest(server), "the end of all work")
    server.fill() if fault == "full" else server.set_objects("ro")
    for what, (accept, status) in SHOWN.items():
        answer = httpx.get(server.dicomweb + instance_url(CT) + what, headers={"Accept": accept}, timeout=60)
        expected = status if fault == "full" else 200
        assert (what, answer.status_code) == (what, expected), answer.text
    server.make_room() if fault == "full" else server.set_objects("rw")
    for what, (accept, _) in SHOWN.items():
        answer = httpx.get(server.dicomweb + instance_url(CT) + what, headers={"Accept": accept}, timeout=60)
        assert (what, answer.status_code) == (what, 200), answer.text
    assert [len(pids(server, role)) for role in ("web", "dimse", "worker")] == [1, 1, 1]
    assert "Traceback" not in server.log.read_text()


def stow(server: Confined, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    return httpx.post(f"{server.dicomweb}/studies", content=body, headers=headers, timeout=60)


def test_a_step_on_a_full_disk_is_told_so_and_done_once_there_is_room(tmp_path: Path) -> None:
    """Also opening the catalog, which was some failure of the database."""
    start, disk = tmp_path / "start", tmp_path / "disk"
    start.mkdir()
    disk.mkdir()
    fill(start)
    within = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=16m none "$2" && exec "$0" -m "$1" "$3" "$2"']
    command = [*within, sys.executable, "tests.faults.filling", str(disk), str(start)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert told == [[step, "OutOfResources", "done"] for step in ("open", *filling.FULL)]
