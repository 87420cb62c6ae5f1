"""The printed table of states is the table the code obeys."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dicomweb_server.model.states import MOVES, State, may_move, roll_up

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def printed() -> dict[State, set[State]]:
    table = PAGE.read_text().split("## States")[1].split("A parent follows")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    return {State[left.upper()]: {State[name.strip().upper()] for name in right.split(",")} for left, right in rows}


@pytest.mark.parametrize(("now", "then"), list(itertools.product(State, State)))
def test_a_move_is_legal_exactly_when_the_page_says_so(now: State, then: State) -> None:
    assert may_move(now, then) is (then in printed()[now])


def test_every_state_can_be_left() -> None:
    assert all(MOVES[state] for state in State)


@pytest.mark.parametrize(
    ("counts", "parent"),
    [
        ({}, State.ANNOUNCED),
        ({State.READY: 9, State.STORED: 1}, State.STORED),
        ({State.READY: 9, State.FAILED: 1}, State.READY),
        ({State.FAILED: 3}, State.FAILED),
        ({State.READY: 9, State.ANNOUNCED: 1, State.FAILED: 1}, State.ANNOUNCED),
        ({State.READY: 10}, State.READY),
    ],
)
def test_the_slowest_image_decides(counts: dict[State, int], parent: State) -> None:
    assert roll_up(counts) is parent
