"""Killed at any step of a deletion, an eviction or a derivation: rows and objects agree, and a sweep tidies (S-17)."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit
from dicomweb_server.reconcile.sweep import Sweep
from tests.faults import removing
from tests.faults.removing import FETCHED, FILES, KEYS, PUSHED, STEPS, Held, fill, opened
from tests.ingest import traced
from tests.ingest.silence import Silence

KILLS = 6 * int(os.environ.get("FAULT_KILLS", "2"))
WRITING = "unlink,unlinkat,rmdir,rename,renameat,renameat2,link,linkat,pwrite64,write,fdatasync,fsync,ftruncate"
"""What changes anything on the disk."""
DONE_BEFORE = 3
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.removing"])
GOES = {
    "delete": set(KEYS[PUSHED]),
    "delete one": set(KEYS[PUSHED][:1]),
    "purge": set(KEYS[FETCHED]),
    "evict": set(KEYS[FETCHED]),
}


@dataclass(frozen=True, slots=True)
class Folders:
    arrived: Path
    """Right after arrival."""
    finished: Path
    """All is derived."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    traced.needs_strace()
    folder = tmp_path_factory.mktemp("removing")
    made = Folders(folder / "arrived", folder / "finished")
    made.arrived.mkdir()
    fill(made.arrived)
    shutil.copytree(made.arrived, made.finished)
    with opened(made.finished) as held:
        held.preprocess()
        held.reconcile()
    return made


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.timeout(600)
def test_a_kill_at_any_system_call_leaves_rows_and_objects_that_agree(
    tmp_path: Path, folders: Folders, step: str
) -> None:
    start = folders.finished if step not in ("preprocess", "reconcile") else folders.arrived
    whole = shutil.copytree(start, tmp_path / "whole")
    calls = calls_of(whole, step, tmp_path / "calls")
    check(whole, step, done=True)
    for place in range(0, len(calls), max(1, len(calls) // KILLS)):
        data = shutil.copytree(start, tmp_path / f"data-{place}")
        call, number = calls[place]
        kill = ("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        assert run(data, step, *kill) == -signal.SIGKILL
        check(data, step, done=False)
        assert run(data, step) in (0, DONE_BEFORE)
        check(data, step, done=True)
        shutil.rmtree(data)


def calls_of(data: Path, step: str, told: Path) -> list[tuple[str, int]]:
    """The calls that change anything when nothing stops the step: the name of each, and its number among its like."""
    assert run(data, step, "-e", f"trace={WRITING}", traced_to=told) == 0
    found: list[tuple[str, int]] = []
    counts: Counter[str] = Counter()
    for name in re.findall(r"^(\w+)\(", told.read_text(), re.MULTILINE):
        counts[name] += 1
        found.append((name, counts[name]))
    return found


def run(data: Path, step: str, *options: str, traced_to: Path = Path("/dev/null")) -> int | None:
    """The exit code of a process that does the step, traced with these options where there are any."""
    process = PROCESSES.Process(target=removing.run, args=(data, step), kwargs={"traced": bool(options)}, daemon=True)
    process.start()
    tracer = None
    if options:
        command = ["strace", "-qq", "-o", str(traced_to), *options, "-p", str(process.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    process.join(60)
    if tracer is not None:
        tracer.wait(60)
    return process.exitcode


def check(data: Path, step: str, *, done: bool) -> None:
    """Every row has its object; after a sweep there is nothing else; and only what had to go went."""
    with opened(data) as held:
        assert list(Audit(held.objects, held.catalog).flaws(digests=True)) == []
        here = held.catalog.holdings.current(list(FILES))
        for key, version in here.items():
            assert (data / "objects" / version.object_key).read_bytes() == FILES[key]
        went = FILES.keys() - here.keys()
        assert went == GOES.get(step, set()) or (not went and not done)
        announced = {each.key for study in (PUSHED, FETCHED) for each in held.catalog.pulling.missing(study)}
        assert announced == (went & set(KEYS[FETCHED]))
        sweep(held)
        assert list(Audit(held.objects, held.catalog, grace_seconds=-60).flaws(digests=True)) == []
        if done and step == "preprocess":
            states = {each.state for study in (PUSHED, FETCHED) for each in held.catalog.progress.standing(study)}
            assert states == {State.READY}


def sweep(held: Held) -> None:
    """As after a restart, and after the time in which an object of nobody may still be one of somebody."""
    later = time.time() + 2 * 86_400
    queue = SqlQueue(held.catalog.database)
    swept = Sweep(held.catalog, held.objects, queue, Silence(), now=lambda: later, wait=lambda _: False)
    swept()
    swept.remove_orphans()  # by itself it does so once a day
    staging = held.objects.staging()
    assert [path for path in staging.iterdir() if path.is_file()] == []
