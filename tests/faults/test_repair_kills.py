"""Killed at any step of ``repair``: what was mended is mended, and the next one does the rest (S-17)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dicomweb_server.model.messages import Kind
from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit, Flaw
from dicomweb_server.reconcile.repair import DAMAGED, LOST
from tests.faults.killing import calls_of, kill_at, places, run
from tests.faults.removing import FETCHED, KEYS, PUSHED, SERIES, fill, opened
from tests.ingest import traced


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A pushed file is lost and another cut short; a fetched one is lost, and the document of its series."""
    traced.needs_strace()
    data = tmp_path / "damaged"
    data.mkdir()
    fill(data)
    with opened(data) as held:
        held.preprocess()
        held.reconcile()
        queue = SqlQueue(held.catalog.database)
        queue.done(queue.take("crashed", kinds=list(Kind), limit=100, lease_seconds=60))
        versions = held.catalog.holdings.current([*KEYS[PUSHED], *KEYS[FETCHED]])
        lost, cut, again = (versions[key].object_key for key in (*KEYS[PUSHED][:2], KEYS[FETCHED][0]))
        document = held.catalog.holdings.series_progress(SERIES[FETCHED]).document
        assert document is not None
        held.objects.delete([lost, again, document.object_key])
        os.truncate(data / "objects" / cut, 100)
    return data


def test_a_repair_killed_at_any_system_call_is_completed_by_the_next(tmp_path: Path, damaged: Path) -> None:
    whole = shutil.copytree(damaged, tmp_path / "whole")
    calls = calls_of(whole, "repair", tmp_path / "calls")
    assert_mended(whole)
    for place, call in places(calls):
        data = shutil.copytree(damaged, tmp_path / f"data-{place}")
        kill_at(data, "repair", call)
        assert run(data, "repair") == 0
        assert_mended(data)
        shutil.rmtree(data)


def assert_mended(data: Path) -> None:
    with opened(data) as held:
        standing = [held.catalog.progress.standing(study) for study in (PUSHED, FETCHED)]
        assert [(each.state, each.reason) for some in standing for each in some] == [
            (State.FAILED, LOST),
            (State.FAILED, DAMAGED),
            (State.READY, None),
            (State.ANNOUNCED, None),
            (State.READY, None),
            (State.READY, None),
        ]
        held.reconcile()
        left = list(Audit(held.objects, held.catalog).flaws())
        assert [(found.flaw, found.key) for found in left] == [(Flaw.SIZE, KEYS[PUSHED][1])]
