"""A step of ``removing`` done by a process of its own, and killed at a system call of which a test says the number."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults import removing

KILLS = 6 * int(os.environ.get("FAULT_KILLS", "2"))
WRITING = "unlink,unlinkat,rmdir,rename,renameat,renameat2,link,linkat,pwrite64,write,fdatasync,fsync,ftruncate"
"""What changes anything on the disk."""
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.removing"])

Call = tuple[str, int]
"""A system call and its number among its like."""


def places(calls: Sequence[Call], kills: int = KILLS) -> Iterator[tuple[int, Call]]:
    """Some of the calls, spread over all, each with its place among them."""
    for place in range(0, len(calls), max(1, len(calls) // kills)):
        yield place, calls[place]


def calls_of(data: Path, step: str, told: Path) -> list[Call]:
    """The calls that change anything when nothing stops the step."""
    assert run(data, step, "-e", f"trace={WRITING}", traced_to=told) == 0
    found: list[Call] = []
    counts: Counter[str] = Counter()
    for name in re.findall(r"^(\w+)\(", told.read_text(), re.MULTILINE):
        counts[name] += 1
        found.append((name, counts[name]))
    return found


def kill_at(data: Path, step: str, call: Call) -> None:
    """Do the step until that call of it, which is the last thing its process does."""
    name, number = call
    options = ("-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={number}")
    assert run(data, step, *options) == -signal.SIGKILL


def begun(data: Path, step: str, *, traced: bool = False) -> BaseProcess:
    process = PROCESSES.Process(target=removing.run, args=(data, step), kwargs={"traced": traced}, daemon=True)
    process.start()
    return process


def run(data: Path, step: str, *options: str, traced_to: Path = Path("/dev/null")) -> int | None:
    """The exit code of a process that does the step, traced with these options where there are any."""
    process = begun(data, step, traced=bool(options))
    tracer = None
    if options:
        command = ["strace", "-qq", "-o", str(traced_to), *options, "-p", str(process.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    process.join(60)
    if tracer is not None:
        tracer.wait(60)
    return process.exitcode
