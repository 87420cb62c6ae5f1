"""The server as its operator knows it: started, killed in parts, stopped (real processes and sockets)."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.corpus import path
from tests.journeys.server import RunningServer, cli, running, wait_for
from tests.ports import free_port

CT = path("generated/ts/ct_evle.dcm")


@pytest.fixture
def server(tmp_path: Path) -> RunningServer:  # type: ignore[misc]
    with running(tmp_path / "data") as started:
        yield started


def pids(server: RunningServer, role: str) -> list[int]:
    """Every process the role has had, oldest first, as the log tells."""
    return [int(pid) for pid in re.findall(rf"{role} runs as process (\d+)", server.log.read_text())]


def answers(server: RunningServer) -> bool:
    try:
        return httpx.get(f"{server.dicomweb}/studies", timeout=5).status_code in (200, 204)
    except httpx.TransportError:
        return False


def dicom_port_open(server: RunningServer) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.dimse_port), timeout=2):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("role", ["web", "dimse", "worker"])
def test_a_killed_role_comes_back_while_the_others_serve_on(server: RunningServer, role: str) -> None:
    others = {name: pids(server, name) for name in {"web", "dimse", "worker"} - {role}}
    (killed,) = pids(server, role)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(pids(server, role)) == 2, f"another {role}")
    wait_for(lambda: answers(server) and dicom_port_open(server), "both doors")
    assert {name: pids(server, name) for name in others} == others
    assert f"{role} ended (SIGKILL)" in server.log.read_text()


def test_an_open_request_is_finished_after_sigterm(server: RunningServer) -> None:
    body = CT.read_bytes()
    url = httpx.URL(f"{server.dicomweb}/studies")
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/dicom\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=30) as line:
        line.sendall(head.encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 100")
        line.sendall(body[:1000])
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "ending" in server.log.read_text(), "the end to begin")
        line.sendall(body[1000:])
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(30) == 0


def test_it_stops_cleanly_and_leaves_no_process(server: RunningServer) -> None:
    children = [pids(server, role)[0] for role in ("web", "dimse", "worker")]
    assert server.stop() == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def test_a_second_server_on_the_same_folder_is_told_so(server: RunningServer) -> None:
    second = server.cli("serve", "--http", f"127.0.0.1:{free_port()}", "--dimse", f"127.0.0.1:{free_port()}")
    assert second.returncode == 2
    assert "another server runs on" in second.stderr


@pytest.mark.parametrize("flag", ["--http", "--dimse"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]"])
def test_an_address_others_can_reach_is_refused(tmp_path: Path, flag: str, host: str) -> None:
    refused = cli("serve", "--data", tmp_path / "data", flag, f"{host}:{free_port()}")
    assert refused.returncode == 2
    assert f"{flag.strip('-')}.listen: {host}" in refused.stderr
    assert "--allow-remote" in refused.stderr


def test_a_taken_http_port_is_named(server: RunningServer, tmp_path: Path) -> None:
    refused = cli("serve", "--data", tmp_path / "other", "--http", server.http)
    assert refused.returncode == 2
    assert f"http.listen: {server.http}: Address already in use" in refused.stderr


def test_a_taken_dicom_port_ends_the_server(server: RunningServer, tmp_path: Path) -> None:
    dimse = f"127.0.0.1:{server.dimse_port}"
    refused = cli("serve", "--data", tmp_path / "other", "--http", f"127.0.0.1:{free_port()}", "--dimse", dimse)
    assert refused.returncode == 1
    assert "Address already in use" in refused.stderr


def test_several_web_processes_share_the_port(tmp_path: Path) -> None:
    with running(tmp_path / "data", extra=["--set", "http.workers=2"]) as server:
        for number in (1, 2):
            (pid,) = pids(server, f"web-{number}")
            os.kill(pid, signal.SIGKILL)
            assert answers(server)


def test_it_says_where_everything_is(server: RunningServer) -> None:
    greeting = server.log.read_text()
    port = server.http.rpartition(":")[2]
    for place in (f"http://localhost:{port}/dicomweb", f"JOURNEY at 127.0.0.1:{server.dimse_port}", str(server.data)):
        assert place in greeting


def test_files_are_imported_while_the_server_runs(server: RunningServer) -> None:
    report = server.import_files(CT)
    assert (report["stored"], report["refused"]) == (1, 0)
    assert len(httpx.get(f"{server.dicomweb}/studies").json()) == 1
    again = server.import_files(CT)
    assert (again["stored"], again["same"]) == (0, 1)
