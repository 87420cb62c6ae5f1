"""The life of an instance, and how its parents follow.

announced -> queued -> fetching -> stored -> ready; any -> failed; failed -> queued or stored by requeue;
stored and ready -> announced by eviction.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class State(IntEnum):
    """In order of progress; FAILED stands apart."""

    ANNOUNCED = 0
    QUEUED = 1
    FETCHING = 2
    STORED = 3
    READY = 4
    FAILED = 9


MOVES: Mapping[State, frozenset[State]] = {
    State.ANNOUNCED: frozenset({State.QUEUED, State.STORED, State.FAILED}),
    State.QUEUED: frozenset({State.FETCHING, State.STORED, State.ANNOUNCED, State.FAILED}),
    State.FETCHING: frozenset({State.STORED, State.QUEUED, State.ANNOUNCED, State.FAILED}),
    State.STORED: frozenset({State.READY, State.ANNOUNCED, State.FAILED}),
    State.READY: frozenset({State.STORED, State.ANNOUNCED, State.FAILED}),
    State.FAILED: frozenset({State.QUEUED, State.STORED, State.ANNOUNCED}),
}
"""Every legal move of an instance. STORED from anywhere before it: a push may bring what a fetch was asked for."""


def may_move(now: State, then: State) -> bool:
    return then in MOVES[now]


def roll_up(counts: Mapping[State, int]) -> State:
    """The state of a parent: its slowest child decides; failed children hold nothing up unless all failed.

    A parent without children is announced.
    """
    alive = [state for state, count in counts.items() if count and state is not State.FAILED]
    if alive:
        return min(alive)
    return State.FAILED if counts.get(State.FAILED) else State.ANNOUNCED
