"""Killed at any step of a deletion, an eviction or a derivation: rows and objects agree, and a sweep tidies (S-17)."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit
from dicomweb_server.reconcile.sweep import Sweep
from tests.faults.killing import calls_of, kill_at, places, run
from tests.faults.removing import FETCHED, FILES, KEYS, PUSHED, STEPS, Held, fill, opened
from tests.ingest import traced
from tests.ingest.silence import Silence

DONE_BEFORE = 3
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
    for place, call in places(calls):
        data = shutil.copytree(start, tmp_path / f"data-{place}")
        kill_at(data, step, call)
        check(data, step, done=False)
        assert run(data, step) in (0, DONE_BEFORE)
        check(data, step, done=True)
        shutil.rmtree(data)


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
