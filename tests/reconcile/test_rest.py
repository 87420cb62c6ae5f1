from __future__ import annotations

import pytest

from dicomweb_server.catalog.base import SeriesProgress
from dicomweb_server.model.ids import SeriesKey
from dicomweb_server.model.states import State
from dicomweb_server.reconcile.series import rest_in


def test_a_clock_that_was_set_back_holds_up_no_series() -> None:
    progress = SeriesProgress(SeriesKey("1.2", "1.2.3"), {State.READY: 3}, True, 5000.0, document=None, revision=7)
    assert rest_in(progress, now=1000.0, quiet_seconds=5.0) == 0.0


@pytest.mark.parametrize(
    ("counts", "pushed", "rest"),
    [
        ({State.STORED: 3}, True, 3.0),
        ({State.READY: 3, State.FAILED: 1}, True, 3.0),
        ({State.READY: 3}, False, 0.0),
        ({State.READY: 3, State.FAILED: 1}, False, 0.0),
        ({State.READY: 3, State.ANNOUNCED: 1}, False, None),
        ({State.READY: 3, State.FETCHING: 1}, False, None),
        ({State.READY: 3, State.QUEUED: 1}, True, None),
    ],
)
def test_pushed_series_rest_when_quiet_and_fetched_ones_when_whole(
    counts: dict[State, int], pushed: bool, rest: float | None
) -> None:
    progress = SeriesProgress(SeriesKey("1.2", "1.2.3"), counts, pushed, last_arrival=998.0, document=None, revision=7)
    assert rest_in(progress, now=1000.0, quiet_seconds=5.0) == rest
