"""Series and studies follow their instances, and say who stands for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Kind
from dicomweb_server.model.states import State
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.series import ReconcileSeries
from tests.holding import Holding, holding

SLICES = [f"generated/series/ct_{number:03}.dcm" for number in range(5)]
REPORT = "generated/mod/sr_enhanced.dcm"
A, Q, F, S, R, X = State.ANNOUNCED, State.QUEUED, State.FETCHING, State.STORED, State.READY, State.FAILED

LEGAL = {
    A: {Q, S, X},
    Q: {F, S, A, X},
    F: {S, Q, A, X},
    S: {R, A, X},
    R: {S, A, X},
    X: {Q, S, A},
}
"""The table of docs/architecture.md, written a second time."""


@pytest.mark.parametrize("now", State)
@pytest.mark.parametrize("then", State)
def test_the_catalog_makes_legal_moves_only(tmp_path: Path, now: State, then: State) -> None:
    with holding(tmp_path) as held:
        (key,) = held.take_all(SLICES[:1]).values()
        with held.catalog.database.write() as connection:
            connection.exec_driver_sql(f"UPDATE instance SET state = {int(now)}")
        assert held.catalog.progress.move(key, then, only_from=[now]) is (then in LEGAL[now])
        (standing,) = held.catalog.progress.standing(key)
        assert standing.state is (then if then in LEGAL[now] else now)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path) as opened:
        yield opened


def settle(held: Holding) -> None:
    """Work off every ticket to reconcile, as often as they are delivered."""
    queue = SqlQueue(held.catalog.database, now=lambda: 4e9)
    reconcile = ReconcileSeries(held.objects, held.catalog, quiet_seconds=0.0)
    while leases := queue.take("test", kinds=[Kind.RECONCILE], limit=100, lease_seconds=60):
        reconcile([lease.ticket for lease in leases] * 2)
        queue.done(leases)


def stored_states(held: Holding) -> tuple[dict[str, int | None], dict[str, int | None]]:
    with held.catalog.database.read() as connection:
        of_series = connection.exec_driver_sql("SELECT series_uid, state FROM series").all()
        of_study = connection.exec_driver_sql("SELECT study_uid, state FROM study").all()
    return dict(map(tuple, of_series)), dict(map(tuple, of_study))


def test_the_slowest_child_decides_and_failed_ones_hold_nothing_up(held: Holding) -> None:
    keys = list(held.take_all(SLICES).values())
    series, study = keys[0].series, keys[0].study
    seen = []
    for move in (
        lambda: None,
        lambda: held.catalog.progress.move_all(keys[:3], R, only_from=[S]),
        lambda: held.catalog.progress.move(keys[3], X, only_from=[S], reason="broken"),
        lambda: held.catalog.progress.move(keys[4], R, only_from=[S]),
        lambda: held.catalog.progress.move_all(keys, X, only_from=[R]),
    ):
        move()
        settle(held)
        of_series, of_study = stored_states(held)
        assert of_series[series] == of_study[study]
        seen.append(State(of_series[series] or 0))
    assert seen == [S, S, S, R, X]
    totals = held.catalog.progress.totals()
    assert (totals["series_failed"], totals["studies_failed"]) == (1, 1)


def test_a_move_whose_ticket_was_lost_is_followed_after_the_sweep(held: Holding) -> None:
    keys = list(held.take_all(SLICES).values())
    settle(held)
    held.catalog.progress.move_all(keys, R, only_from=[S])
    queue = SqlQueue(held.catalog.database)
    queue.done(queue.take("crashed", kinds=[Kind.RECONCILE], limit=100, lease_seconds=60))
    queue.put(held.catalog.inventory.unfinished())
    settle(held)
    assert stored_states(held)[0][keys[0].series] == R


def test_what_is_announced_counts_and_what_arrives_follows(held: Holding) -> None:
    key = SeriesKey("1.2", "1.2.3")
    listed = [{"00080018": {"vr": "UI", "Value": ["1.2.3.4"]}}]
    held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(key, {}, listed)])
    settle(held)
    assert stored_states(held) == ({"1.2.3": 0}, {"1.2": 0})
    assert held.catalog.progress.representative(key) is None
    assert held.catalog.progress.roll_up(SeriesKey("1.2", "9.9")) is None


def test_the_middle_image_of_the_largest_series_stands_for_the_study(held: Holding) -> None:
    keys = held.take_all([*SLICES, REPORT])
    ordered = sorted(
        (keys[name] for name in SLICES),
        key=lambda key: [each.key for each in held.catalog.progress.standing(key.of_series)].index(key),
    )
    settle(held)
    progress = held.catalog.progress
    assert progress.representative(ordered[0].of_series) == ordered[2]
    assert progress.representative(ordered[0].of_study) == ordered[2]
    assert progress.representative(keys[REPORT].of_series) is None, "it has no image"


def test_many_at_once_end_the_same(held: Holding) -> None:
    keys: list[InstanceKey] = list(held.take_all(SLICES).values())
    held.catalog.progress.move_all(keys, R, only_from=[S])
    threads = [threading.Thread(target=held.catalog.progress.roll_up, args=(keys[0].of_series,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stored_states(held)[0].values()) == {R}
