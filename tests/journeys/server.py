"""A real ``dicomweb-server serve`` in processes of its own, on free ports, with a data folder of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.ports import free_port, listens

START_SECONDS = 60.0


def wait_for(true: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Return as soon as ``true()``; fail naming ``what`` when the time is over."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.05)


@dataclass(slots=True)
class RunningServer:
    data: Path
    http: str
    dimse_port: int
    aet: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def root(self) -> str:
        return f"http://{self.http}"

    @property
    def dicomweb(self) -> str:
        return f"{self.root}/dicomweb"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.dicomweb, timeout=60.0, **options)

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it as a power failure would, with all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def cli(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another ``dicomweb-server`` command on the same data folder."""
        return cli(*words, "--data", self.data)

    def import_files(self, *paths: Path) -> dict[str, Any]:
        """``dicomweb-server import``; its closing report."""
        done = self.cli("import", *paths)
        assert done.returncode in (0, 1), done.stderr
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return report


def cli(*words: str | Path, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*within, sys.executable, "-m", "dicomweb_server", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def start(
    data: Path,
    *,
    extra: Sequence[str] = (),
    env: dict[str, str] | None = None,
    within: Sequence[str] = (),
    code: Path | None = None,
) -> RunningServer:
    """Start a server and return when it is ready; ``within`` are words of a program that becomes the server.

    ``code``: another checkout, whose code it runs.
    """
    data.mkdir(parents=True, exist_ok=True)
    given = dict(itertools.pairwise(extra))
    http = given.get("--http", f"127.0.0.1:{free_port()}")
    dimse = int(given["--dimse"].rpartition(":")[2]) if "--dimse" in given else free_port()
    log = data / "server.log"
    command = [*within, sys.executable, "-m", "dicomweb_server", "serve", "--data", str(data)]
    command += ["--http", http, "--dimse", f"127.0.0.1:{dimse}", "--aet", "JOURNEY", *extra]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=code,
            start_new_session=True,
            env={**os.environ, "DICOMWEB_SERVER_SERIES_QUIET_SECONDS": "1", **(env or {})},
        )
    server = RunningServer(data, http, dimse, "JOURNEY", process, log)
    try:
        wait_for(lambda: ready(server), f"readiness, see {log}", seconds=START_SECONDS)
    except BaseException:
        server.kill()
        raise
    return server


def ready(server: RunningServer) -> bool:
    assert server.process.poll() is None, f"the server ended at once:\n{server.log.read_text()}"
    try:
        return listens(server.dimse_port) and httpx.get(f"{server.root}/readyz", timeout=2.0).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def running(
    data: Path, *, extra: Sequence[str] = (), env: dict[str, str] | None = None, within: Sequence[str] = ()
) -> Iterator[RunningServer]:
    server = start(data, extra=extra, env=env, within=within)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        server.kill()
