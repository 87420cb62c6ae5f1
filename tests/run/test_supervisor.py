"""The supervisor with small real children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILDREN = """
import os, signal, sys, time
from pathlib import Path
from dicomweb_server import supervisor
from dicomweb_server.supervisor import Role, Supervisor
supervisor.SHORT_LIFE_SECONDS = 0.2
folder = Path(sys.argv[1])

def stay(name):
    def main():
        ended = []
        signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
        (folder / f"{name}.{time.monotonic_ns()}").write_text(str(os.getpid()))
        while not ended:
            time.sleep(0.01)
        (folder / f"{name}.clean").touch()
        return 0
    return main

def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / f"hang.{time.monotonic_ns()}").write_text(str(os.getpid()))
    time.sleep(600)
    return 0

def falter():
    if list(folder.glob("falter.[0-9]*")) and not (folder / "refused").exists():
        (folder / "refused").touch()
        return 70
    return stay("falter")()

mains = {"falter": falter, "a": stay("a"), "b": stay("b"), "hang": hang, "cannot": lambda: 70}
sys.exit(Supervisor([Role(n, mains[n]) for n in sys.argv[2:]], stop_seconds=1.0).run())
"""


def supervised(folder: Path, *roles: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILDREN, str(folder), *roles], stderr=subprocess.DEVNULL)


def pids(folder: Path, role: str, *, at_least: int = 1) -> list[int]:
    """Every process the role has had, oldest first."""
    deadline = time.monotonic() + 60
    while True:
        found = [int(p.read_text() or 0) for p in sorted(folder.glob(f"{role}.[0-9]*"))]
        if len(found) >= at_least and all(found):
            return found
        assert time.monotonic() < deadline, f"{role} did not start"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_a_killed_child_comes_back_and_the_others_stay(tmp_path: Path) -> None:
    parent = supervised(tmp_path, "a", "b")
    (first,), (other,) = pids(tmp_path, "a"), pids(tmp_path, "b")
    os.kill(first, signal.SIGKILL)
    assert pids(tmp_path, "a", at_least=2)[0] == first
    assert pids(tmp_path, "b") == [other]
    parent.terminate()
    assert parent.wait(10) == 0


def test_sigterm_lets_children_finish(tmp_path: Path) -> None:
    parent = supervised(tmp_path, "a", "b")
    pids(tmp_path, "a"), pids(tmp_path, "b")
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(10) == 0
    assert (tmp_path / "a.clean").exists()
    assert (tmp_path / "b.clean").exists()


def test_a_child_that_hangs_is_killed_in_time(tmp_path: Path) -> None:
    parent = supervised(tmp_path, "hang")
    (pid,) = pids(tmp_path, "hang")
    parent.terminate()
    assert parent.wait(10) == 0
    assert gone(pid)


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = supervised(tmp_path, "a")
    (pid,) = pids(tmp_path, "a")
    parent.kill()
    parent.wait()
    assert gone(pid)


def test_what_ran_once_is_started_again_though_it_cannot_start_just_now(tmp_path: Path) -> None:
    """As when the disk is full or read-only: the others serve on."""
    parent = supervised(tmp_path, "a", "falter")
    (first,), (other,) = pids(tmp_path, "falter"), pids(tmp_path, "a")
    time.sleep(0.3)
    os.kill(first, signal.SIGKILL)
    pids(tmp_path, "falter", at_least=2)
    assert (tmp_path / "refused").exists()
    assert pids(tmp_path, "a") == [other]
    parent.terminate()
    assert parent.wait(10) == 0


@pytest.mark.parametrize("roles", [("cannot",), ("a", "cannot")])
def test_a_child_that_cannot_start_ends_the_server(tmp_path: Path, roles: tuple[str, ...]) -> None:
    parent = supervised(tmp_path, *roles)
    assert parent.wait(10) == 1
