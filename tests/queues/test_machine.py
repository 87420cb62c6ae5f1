"""Whatever is done in whatever order, the SQL queue and the one in memory agree."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Band, Kind, Lease, Ticket
from dicomweb_server.queues.base import Queue
from tests import databases
from tests.queues.conftest import Clock, opened

TICKETS = st.builds(
    lambda study, name, band: (
        Ticket(Kind.FETCH, InstanceKey(f"1.{study}", "2", f"3.{name}"), band)
        if name
        else Ticket(Kind.RECONCILE, SeriesKey(f"1.{study}", "2"), band)
    ),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from(Band),
)
WORKERS = st.sampled_from(["anna", "berta"])


class QueuesAgree(RuleBasedStateMachine):
    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.clock = Clock()
        self.held: list[tuple[Lease, Lease]] = []

    @initialize()
    def begin(self) -> None:
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.sql: Queue = self.open.enter_context(opened(self.kind, folder, self.clock))
        self.memory: Queue = self.open.enter_context(opened("memory", folder, self.clock))

    @rule(tickets=st.lists(TICKETS, max_size=6, unique_by=lambda ticket: (ticket.kind, ticket.key)))
    def put(self, tickets: list[Ticket]) -> None:
        self.sql.put(tickets)
        self.memory.put(tickets)

    @rule(tickets=st.lists(TICKETS, max_size=6, unique_by=lambda ticket: (ticket.kind, ticket.key)))
    def put_missing(self, tickets: list[Ticket]) -> None:
        assert self.sql.put_missing(tickets) == self.memory.put_missing(tickets)

    @rule(worker=WORKERS, limit=st.integers(1, 3))
    def take(self, worker: str, limit: int) -> None:
        self.clock.passes(1)
        kinds = tuple(Kind)
        one = self.sql.take(worker, kinds=kinds, limit=limit, lease_seconds=20)
        other = self.memory.take(worker, kinds=kinds, limit=limit, lease_seconds=20)
        assert [(lease.ticket, lease.attempt) for lease in one] == [(lease.ticket, lease.attempt) for lease in other]
        self.held += zip(one, other, strict=True)

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        one, other = self.any_held(data)
        self.sql.done([one] if one else [])
        self.memory.done([other] if other else [])

    @rule(data=st.data(), delay=st.sampled_from([0, 5]))
    def retry(self, data: st.DataObject, delay: int) -> None:
        one, other = self.any_held(data)
        if one and other:
            self.sql.retry(one, delay_seconds=delay, reason="busy")
            self.memory.retry(other, delay_seconds=delay, reason="busy")

    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        one, other = self.any_held(data)
        if one and other:
            self.sql.bury(one, reason="bad")
            self.memory.bury(other, reason="bad")
            self.clock.passes(1)

    @rule()
    def redrive_one(self) -> None:
        ones, others = self.sql.dead_letters(limit=1), self.memory.dead_letters(limit=1)
        assert self.sql.redrive([letter.id for letter in ones]) == self.memory.redrive([each.id for each in others])

    @rule()
    def drop_one(self) -> None:
        ones, others = self.sql.dead_letters(limit=1), self.memory.dead_letters(limit=1)
        assert self.sql.drop([letter.id for letter in ones]) == self.memory.drop([each.id for each in others])

    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        assert self.sql.extend(worker, lease_seconds=20) == self.memory.extend(worker, lease_seconds=20)

    @rule(seconds=st.sampled_from([3, 30, 100_000, -100_000]))
    def wait(self, seconds: int) -> None:
        self.clock.passes(seconds)

    @invariant()
    def their_figures_are_the_same(self) -> None:
        if hasattr(self, "sql"):
            one, other = self.sql.stats(), self.memory.stats()
            assert (one.waiting, one.delayed, one.leased, one.dead) == (
                other.waiting,
                other.delayed,
                other.leased,
                other.dead,
            )

    def any_held(self, data: st.DataObject) -> tuple[Lease | None, Lease | None]:
        if not self.held:
            return None, None
        return self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))

    def teardown(self) -> None:
        self.open.close()


@pytest.mark.parametrize("kind", databases.KINDS)
def test_queues_agree(kind: str) -> None:
    machine = type("Machine", (QueuesAgree,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15 if kind == "sqlite" else 5,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
