"""What a process remembers never outlives what other processes changed."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.model.errors import Gone, NotFound
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Version
from dicomweb_server.reconcile.series import ReconcileSeries
from dicomweb_server.retrieve.freshness import Doubling, Remembered
from dicomweb_server.retrieve.shelf import Shelf
from tests import corpus
from tests.holding import holding
from tests.phantoms.collection import write_ct

CT = "generated/ts/ct_evle.dcm"
A, B = InstanceKey("1", "1.1", "1.1.1"), InstanceKey("1", "1.2", "1.2.1")


async def test_what_another_process_deleted_is_gone(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        key = held.take(corpus.path(CT))
        shelf = Shelf(held.catalog, held.objects)
        assert (await shelf.instance(key)).key == key
        other = open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
        other.holdings.delete(key.of_series, reason="test")
        other.close()
        with pytest.raises(Gone):
            await shelf.instance(key, within_seconds=0.0)


async def test_a_frame_may_be_served_from_what_was_true_a_moment_ago(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        key = held.take(corpus.path(CT))
        shelf = Shelf(held.catalog, held.objects)
        await shelf.instance(key)
        held.catalog.holdings.delete(key, reason="test")
        assert (await shelf.instance(key, within_seconds=60.0)).key == key


async def test_the_document_of_a_series_is_noticed(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        series = held.take(corpus.path(CT)).of_series
        shelf = Shelf(held.catalog, held.objects)
        assert (await shelf.series(series)).document is None
        ReconcileSeries(held.objects, held.catalog, quiet_seconds=0.0)([Ticket(Kind.RECONCILE, series)])
        assert (await shelf.series(series)).document is not None
        assert (await shelf.study(series.of_study))[0].document is not None


async def test_a_series_that_is_asked_for_one_by_one_is_looked_up_at_once(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        write_ct(tmp_path / "files", slices=4, size=8)
        keys = [held.take(path) for path in sorted((tmp_path / "files").iterdir())]
        shelf = Shelf(held.catalog, held.objects)
        for key in keys[:2]:
            await shelf.instance(key)
        asked = AskedHoldings(held.catalog.holdings)
        held.catalog.holdings = asked  # type: ignore[assignment]
        assert [(await shelf.instance(key)).key for key in keys] == keys
        assert asked.names == set()
        asked.inner.delete(keys[3], reason="test")
        with pytest.raises(Gone):
            await shelf.instance(keys[3], within_seconds=0.0)
        assert (await shelf.instance(keys[2])).key == keys[2]


@dataclass
class AskedHoldings:
    """Remembers what it was asked."""

    inner: Any
    names: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self.inner, name)


@dataclass
class SlowHoldings:
    """Answers with what it read before it was let go."""

    inner: Any
    reading: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def version(self, key: InstanceKey) -> Version:
        found: Version = self.inner.version(key)
        self.reading.set()
        assert self.go_on.wait(10)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_what_changes_while_it_is_looked_up_is_not_kept(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        key = held.take(corpus.path(CT))
        slow = SlowHoldings(held.catalog.holdings)
        held.catalog.holdings = slow  # type: ignore[assignment]
        shelf = Shelf(held.catalog, held.objects)
        await shelf.series(key.of_series)
        looking_up = asyncio.create_task(shelf.instance(key))
        await asyncio.to_thread(slow.reading.wait, 10)
        slow.inner.delete(key, reason="test")
        with pytest.raises(NotFound):
            await shelf.series(key.of_series)
        slow.go_on.set()
        await looking_up
        with pytest.raises(Gone):
            await shelf.instance(key, within_seconds=60.0)


def test_what_comes_again_and_again_is_told_ever_more_seldom() -> None:
    misses = Doubling(most=1)
    assert [number for number in range(1, 20) if misses.is_time(A)] == [2, 4, 8, 16]
    assert [misses.is_time(key) for key in (B, A, A)] == [False, False, True]


def test_the_oldest_is_forgotten_first() -> None:
    kept: Remembered[str] = Remembered(2)
    for key in (A, B):
        kept.put(key, key.instance, generation=0)
    kept.put(InstanceKey("2", "2.1", "2.1.1"), "new", generation=0)
    assert kept.get(A) is None
    assert kept.get(B) == "1.2.1"


def test_forgetting_a_part_forgets_the_whole_it_belongs_to_and_nothing_beside_it() -> None:
    kept: Remembered[int] = Remembered(10)
    for key in (A, A.of_series, A.of_study, B, B.of_series):
        kept.put(key, 1, generation=0)
    kept.forget(A)
    assert [kept.get(key) for key in (A, A.of_series, A.of_study)] == [None, None, None]
    assert kept.get(B) == 1
    kept.forget(A.of_study)
    assert kept.get(B) is None
