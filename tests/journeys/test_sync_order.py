"""Every door, watched from outside: the reply leaves after file, folders and catalog are on the disk (S-17, D-13)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ingest import traced
from tests.ingest.files import SERIES, STUDY, part10
from tests.journeys.server import RunningServer, running, wait_for

CALLS = "link,linkat,fsync,fdatasync,write,writev,sendto,sendmsg"
STRACE = ["strace", "-f", "-yy", "-s", "128", "-e", f"trace={CALLS}"]
OBJECT = "1.2.9.1"


@contextmanager
def watched(process: int, log: Path) -> Iterator[None]:
    """Trace a running process meanwhile."""
    told = log.with_suffix(".told")
    with told.open("wb") as output:
        tracer = subprocess.Popen([*STRACE, "-o", str(log), "-p", str(process)], stderr=output)
    wait_for(lambda: b"attached" in told.read_bytes(), "strace to be attached")
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait()


def role(server: RunningServer, name: str) -> int:
    found = re.search(rf"{name} runs as process (\d+)", server.log.read_text())
    assert found is not None
    return int(found[1])


def by_stow(server: RunningServer, file: Path, log: Path) -> str:
    with watched(role(server, "web"), log), server.client() as client:
        answer = client.post("/studies", content=file.read_bytes(), headers={"content-type": "application/dicom"})
        assert answer.status_code == 200, answer.text
    return r"HTTP/1.1 200"


def by_c_store(server: RunningServer, file: Path, log: Path) -> str:
    with watched(role(server, "dimse"), log):
        port = str(server.dimse_port)
        subprocess.run(["storescu", "-aec", server.aet, "127.0.0.1", port, str(file)], check=True, timeout=60)
    return r"(send\w*|write)\(\d+<TCP:"


def by_import(server: RunningServer, file: Path, log: Path) -> str:
    command = [sys.executable, "-m", "dicomweb_server", "import", "--data", str(server.data), str(file)]
    subprocess.run([*STRACE, "-o", str(log), *command], check=True, capture_output=True, timeout=120)
    return r'write\(1<.*"stored'


@pytest.mark.parametrize("door", [by_stow, by_c_store, by_import])
def test_the_reply_leaves_after_everything_is_synced(
    tmp_path: Path, door: Callable[[RunningServer, Path, Path], str]
) -> None:
    traced.needs_strace()
    file, log = tmp_path / "one.dcm", tmp_path / "log"
    file.write_bytes(part10(OBJECT))
    with running(tmp_path / "data") as server:
        reply = door(server, file, log)
    calls = log.read_text().replace(str(tmp_path / "data"), "").splitlines()
    linked = done(calls, at(calls, rf"link(at)?\(.*/objects/instances/{STUDY}/{SERIES}/{OBJECT}-"))
    synced = done(calls, at(calls, rf"fsync\(\d+</objects/instances/{STUDY}/{SERIES}/{OBJECT}-", linked))
    after = synced
    for folder in (f"/instances/{STUDY}/{SERIES}", f"/instances/{STUDY}", "/instances", ""):
        after = done(calls, at(calls, rf"fsync\(\d+</objects{folder}>", after))
    committed = done(calls, at(calls, r"f(data)?sync\(\d+</catalog.sqlite-wal>", after))
    assert at(calls, reply, synced) > committed


def at(calls: list[str], pattern: str, after: int = -1) -> int:
    """The place of the first call after ``after`` that ``pattern`` is found in."""
    found = [place for place, call in enumerate(calls) if place > after and re.search(pattern, call)]
    assert found, f"no call like {pattern} after place {after}"
    return found[0]


def done(calls: list[str], place: int) -> int:
    """Where the call that begins at ``place`` ends: other threads may call meanwhile."""
    if not calls[place].endswith("<unfinished ...>"):
        return place
    thread = calls[place].split()[0]
    return next(n for n in range(place + 1, len(calls)) if calls[n].startswith(thread) and " resumed>" in calls[n])
