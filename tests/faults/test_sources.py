"""A PACS that dies, lies, warns or is silent: all ends ready or given up with a reason, and a requeue completes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.ending import assert_all_ready, at_rest, status
from tests.faults.faulty import Faulty, faulty_pacs, healed
from tests.faults.sending import Sender, made, stow
from tests.journeys.server import RunningServer, wait_for
from tests.pulling.peers import in_front_of, pacs_table

STUDY = "1.2.30"
FILES = made(STUDY, 10)
SOON = ("--set", "work.lease_seconds=2", "--set", "work.attempts=2")
TIMEOUT = "timeout_seconds = 2\n"


def fetch(server: RunningServer) -> None:
    fetched = server.cli("fetch", STUDY, "--config", server.data.parent / "settings.toml")
    assert fetched.returncode == 0, fetched.stderr


FAULTS = [
    ("sends twice", True),
    ("dies in the middle", False),
    ("says success too early", False),
    ("warns", False),
    ("never answers", False),
    ("sends others", False),
]


@pytest.mark.parametrize(("fault", "completes"), FAULTS)
def test_a_faulty_pacs_leaves_nothing_undecided(tmp_path: Path, fault: str, completes: bool) -> None:
    pacs = Faulty(FILES, made("1.2.31", 3), fault)
    with (
        faulty_pacs(pacs) as port,
        in_front_of(tmp_path / "front", pacs_table(port) + TIMEOUT, extra=SOON) as server,
    ):
        ends_decided(server, pacs, completes=completes)
        assert_all_ready(server, FILES)


@pytest.mark.parametrize(
    ("fault", "completes"),
    [
        pytest.param(*each, marks=() if each[0] in ("dies in the middle", "sends others") else pytest.mark.long)
        for each in FAULTS
    ],
)
def test_nor_does_one_that_moves(tmp_path: Path, fault: str, completes: bool) -> None:
    """What it sends of another study than it was asked for is taken as what it is: sent to us, by nobody's wish."""
    strangers = made("1.2.31", 3)
    pacs = Faulty(FILES, strangers, fault)
    with (
        faulty_pacs(pacs) as port,
        in_front_of(tmp_path / "front", pacs_table(port, "move", move_to="JOURNEY") + TIMEOUT, extra=SOON) as server,
    ):
        pacs.destination = server.dimse_port
        ends_decided(server, pacs, completes=completes)
        assert_all_ready(server, {**FILES, **(strangers if fault == "sends others" else {})})


def ends_decided(server: RunningServer, pacs: Faulty, *, completes: bool) -> None:
    """All is ready or given up with a reason; then the PACS is sound again, and what was given up is sent again."""
    fetch(server)
    wait_for(lambda: at_rest(server), "the end of all work", seconds=90)
    found = status(server)
    letters = [json.loads(line) for line in server.cli("dead-letters", "list").stdout.splitlines()]
    assert found["holds"]["failed"] == len(letters) == found["tickets"]["given up"]
    assert all(letter["reason"] for letter in letters)
    assert bool(letters) is not completes
    healed(pacs)
    assert server.cli("dead-letters", "requeue").returncode == 0


def test_what_is_pushed_while_it_is_pulled_is_here_once(tmp_path: Path) -> None:
    with (
        faulty_pacs(Faulty(FILES, {})) as port,
        in_front_of(tmp_path / "front", pacs_table(port), extra=SOON) as server,
    ):
        pushing = Sender(dict(reversed(FILES.items())), stow(server))
        pushing.start()
        fetch(server)
        wait_for(lambda: not pushing.is_alive(), "all to be pushed")
        assert_all_ready(server, FILES)


def test_a_study_purged_while_it_is_pulled_comes_again_when_it_is_asked_for(tmp_path: Path) -> None:
    with (
        faulty_pacs(Faulty(FILES, {})) as port,
        in_front_of(tmp_path / "front", pacs_table(port), extra=SOON) as server,
    ):
        fetch(server)
        for _ in range(3):
            assert server.cli("purge", STUDY).returncode == 0
        wait_for(lambda: at_rest(server), "the end of all work")
        fetch(server)
        assert_all_ready(server, FILES)


def test_a_study_deleted_while_it_is_pulled_stays_deleted(tmp_path: Path) -> None:
    """E-02: no source undoes it."""
    with (
        faulty_pacs(Faulty(FILES, {})) as port,
        in_front_of(tmp_path / "front", pacs_table(port), extra=(*SOON, "--set", "http.allow_delete=true")) as server,
        server.client() as client,
    ):
        fetch(server)
        wait_for(lambda: status(server)["holds"]["instances"] > 0, "the beginning")
        assert client.delete(f"/studies/{STUDY}").status_code == 204
        wait_for(lambda: at_rest(server), "the end of all work")
        assert client.get(f"/studies/{STUDY}/metadata").status_code == 410
        assert status(server)["holds"]["instances"] == 0
        assert server.cli("verify", "--digests").returncode == 0


def test_a_cache_too_small_for_what_is_pulled_stays_within_its_bounds(tmp_path: Path) -> None:
    small = ("cache.max_bytes=1", "cache.evict_seconds=0.1", "cache.keep_viewed_seconds=0")
    extra = [word for setting in small for word in ("--set", setting)]
    with (
        faulty_pacs(Faulty(FILES, {})) as port,
        in_front_of(tmp_path / "front", pacs_table(port), extra=(*SOON, *extra)) as server,
        server.client() as client,
    ):
        fetch(server)
        wait_for(lambda: at_rest(server) and not status(server)["holds"]["ready"], "all to leave again", seconds=60)
        found = status(server)
        assert (found["holds"]["announced"], found["tickets"]["given up"]) == (len(FILES), 0)
        for uid in FILES:
            path = f"/studies/{STUDY}/series/{uid.rpartition('.')[0]}/instances/{uid}"
            assert client.get(path, headers={"Accept": "application/dicom; transfer-syntax=*"}).status_code == 200
        assert server.cli("verify", "--digests").returncode == 0


def test_a_pacs_that_refuses_to_give_is_named(tmp_path: Path) -> None:
    pacs = Faulty(FILES, {}, "refuses contexts")
    with (
        faulty_pacs(pacs) as port,
        in_front_of(tmp_path / "front", pacs_table(port), extra=SOON) as server,
    ):
        fetch(server)
        wait_for(lambda: at_rest(server), "the end of all work", seconds=60)
        letters = server.cli("dead-letters", "list").stdout.splitlines()
        assert status(server)["holds"]["failed"] == len(letters) == len(FILES)
        assert all(json.loads(letter)["reason"] for letter in letters)
