"""Each role killed while a study is pulled from a DICOMweb source, or moved to us by a PACS (issue 5)."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults.ending import at_rest, status
from tests.journeys.server import RunningServer, start, wait_for
from tests.ports import free_port
from tests.pulling.peers import dicomweb_source, in_front_of, pacs_table, web_table
from tests.pulling.test_opening import NAMES, PLAIN, frame, read, stored
from tests.run.test_serve import answers, pids
from tests.sources import dcmqrscp

SOON = ("--set", "work.lease_seconds=2", "--set", "work.sweep_seconds=2")


def kill_while_it_is_pulled(server: RunningServer, role: str, names: list[str]) -> None:
    files = read(names)
    fetched = server.cli("fetch", files[0].StudyInstanceUID, "--config", server.data.parent / "settings.toml")
    assert fetched.returncode == 0, fetched.stderr
    for kill in range(2):
        wait_for(partial(has_had, server, role, kill + 1), f"another {role}")
        os.kill(pids(server, role)[-1], signal.SIGKILL)
    wait_for(lambda: answers(server), "the web door")
    wait_for(lambda: at_rest(server), "the end of all work", seconds=60)
    if status(server)["tickets"]["given up"]:
        assert server.cli("dead-letters", "requeue").returncode == 0
        wait_for(lambda: at_rest(server), "the end of all work", seconds=60)
    found = status(server)
    assert (found["holds"]["ready"], found["tickets"]["given up"]) == (len(files), 0), found
    with server.client() as client:
        assert [frame(client, file) for file in files] == [stored(file) for file in files]
    assert server.cli("verify", "--digests").returncode == 0


def has_had(server: RunningServer, role: str, processes: int) -> bool:
    return len(pids(server, role)) == processes


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_pull_by_dicomweb_outlives_a_killed_role(tmp_path: Path, role: str) -> None:
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, _, _),
        in_front_of(tmp_path / "front", web_table(url), extra=SOON) as server,
    ):
        kill_while_it_is_pulled(server, role, NAMES)


@pytest.mark.parametrize("role", ["dimse", "worker"])
def test_a_move_by_a_pacs_outlives_a_killed_role(tmp_path: Path, role: str) -> None:
    port = free_port()
    with dcmqrscp.archive(tmp_path / "archive", destinations={"JOURNEY": port}) as archive:
        archive.store([Path(str(file.filename)) for file in read(PLAIN)])
        table = pacs_table(archive.port, "move", move_to="JOURNEY")
        with in_front_of(tmp_path / "front", table, extra=("--dimse", f"127.0.0.1:{port}", *SOON)) as server:
            kill_while_it_is_pulled(server, role, PLAIN)


def test_a_pull_outlives_the_end_of_everything(tmp_path: Path) -> None:
    """The supervisor and all it started, as when the power fails."""
    with (
        dicomweb_source(tmp_path / "source", *NAMES) as (url, _, _),
        in_front_of(tmp_path / "front", web_table(url), extra=SOON) as killed,
    ):
        files = read(NAMES)
        settings = killed.data.parent / "settings.toml"
        assert killed.cli("fetch", files[0].StudyInstanceUID, "--config", settings).returncode == 0
        wait_for(lambda: status(killed)["holds"]["instances"] > 0, "the beginning")
        killed.kill()
        server = start(killed.data, extra=("--config", str(settings), *SOON))
        try:
            wait_for(lambda: at_rest(server), "the end of all work", seconds=60)
            assert status(server)["holds"]["ready"] == len(files)
            with server.client() as client:
                assert [frame(client, file) for file in files] == [stored(file) for file in files]
            assert server.cli("verify", "--digests").returncode == 0
        finally:
            server.stop()
            server.kill()
