"""Every row of docs/conformance.md names tests that exist, or says why there are none."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "conformance.md").read_text()
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in TABLE.splitlines()
    if re.match(r"\| [A-Z]-\d", line)
]


@cache
def definitions(path: str) -> frozenset[str]:
    file = ROOT / path
    return (
        frozenset(re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text(), re.M))
        if file.is_file()
        else frozenset()
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_an_item_names_its_tests_or_a_reason(row: tuple[str, ...]) -> None:
    item, level, what, state, shown = row
    assert what
    assert set(level.strip("*").split("/")) <= {"MUST", "SHOULD", "VIEWER", "BEYOND", "MUST*"}, item
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
    missing = [f"{path}::{name}" for path, name in named if name not in definitions(path)]
    assert not missing
    reason = re.sub(r"`tests/[^`]*`|[,; ]", "", shown)
    assert state in ("done", "partly", "no")
    assert named or state == "no", "shown by nothing"
    assert reason or state == "done", "no reason given"


def test_no_item_stands_twice() -> None:
    items = [row[0] for row in ROWS]
    assert len(items) == len(set(items))


ITEMS = {
    "C": 35,
    "T": 21,
    "P": 10,
    "W": 33,
    "R": 25,
    "U": 8,
    "S": 21,
    "Q": 40,
    "J": 22,
    "X": 7,
    "K": 5,
    "E": 7,
    "H": 22,
    "A": 9,
    "D": 28,
}
"""How many items each section has."""


@pytest.mark.parametrize("section", ITEMS)
def test_no_item_is_missing(section: str) -> None:
    assert sum(row[0].startswith(f"{section}-") for row in ROWS) == ITEMS[section]


NOT_OFFERED = {"D", "A"}
"""Sections of services that are offered in part only; docs/conformance.md says which."""


def test_what_the_standard_demands_of_the_web_service_is_there() -> None:
    """MUST, SHOULD and VIEWER items that are not there at all, each for a reason worth a name here."""
    missing = {
        row[0]
        for row in ROWS
        if row[3] == "no" and row[1] != "BEYOND" and row[0][0] not in NOT_OFFERED and not row[1].endswith("BEYOND")
    }
    assert missing <= {"E-03", "E-04", "E-05", "E-06", "E-07"}, missing
