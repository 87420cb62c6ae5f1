"""Tickets join the transaction of the rows they speak of: nothing is stored without its work, nor worked on unstored.

Each ticket gets a turn among those of its kind and band: one more than the last waiting of its study, and never less
than what is being taken now. So studies take turns, and a large one does not hold up a small one that came later.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import ticket
from dicomweb_server.model.ids import Scope, uids
from dicomweb_server.model.messages import Band, Kind, Ticket

_KEY = ("kind", "tenant", "study_uid", "series_uid", "instance_uid")
_Lane = tuple[Kind, Band, str, str]
_WAITING = sa.and_(ticket.c.worker.is_(None), ticket.c.died.is_(None))


class Enqueue:
    """Writes tickets within a transaction of somebody else."""

    def __init__(self, dialect: Dialect) -> None:
        insert = dialect.insert(ticket)
        given, kept = insert.excluded, ticket.c
        waiting = {"index_elements": list(_KEY), "index_where": sa.text("worker IS NULL AND died IS NULL")}
        self._put_missing = insert.on_conflict_do_nothing(**waiting).returning(kept.id)
        put = insert.on_conflict_do_update(
            **waiting,
            set_={
                "turn": sa.case((given.band < kept.band, given.turn), else_=kept.turn),
                "band": sa.case((given.band < kept.band, given.band), else_=kept.band),
                "not_before": sa.case((given.not_before < kept.not_before, given.not_before), else_=kept.not_before),
            },
        )
        self._put = dialect.prepared(put)
        beside = sa.and_(kept.kind == bindparam("k"), kept.band == bindparam("b"))
        mine = sa.and_(beside, kept.tenant == bindparam("t"), kept.study_uid == bindparam("s"))
        first = sa.select(kept.turn).where(beside, _WAITING).order_by(kept.turn).limit(1)
        last = sa.select(sa.func.max(kept.turn)).where(mine, kept.died.is_(None))
        self._turns = dialect.prepared(sa.select(last.scalar_subquery(), first.scalar_subquery()))

    def __call__(self, connection: Connection, tickets: Sequence[Ticket]) -> None:
        """Those like one that waits are merged with it."""
        if tickets:
            self._put.many(connection, self._rows(connection, tickets))

    def missing(self, connection: Connection, tickets: Sequence[Ticket]) -> int:
        """Only those of which none waits; how many."""
        return len(connection.execute(self._put_missing, self._rows(connection, tickets)).all()) if tickets else 0

    def _rows(self, connection: Connection, tickets: Sequence[Ticket]) -> list[dict[str, Any]]:
        now = time.time()
        turns: dict[_Lane, int] = {}
        rows = []
        for given in _merged(tickets):
            lane = given.kind, given.band, given.key.tenant, given.key.study
            if lane not in turns:
                turns[lane] = self._last_turn(connection, lane)
            turns[lane] += 1
            rows.append(_row(given, turn=turns[lane], now=now))
        # Turns follow the order in which they were given; rows are locked in one order by everybody.
        return sorted(rows, key=_place)

    def _last_turn(self, connection: Connection, lane: _Lane) -> int:
        kind, band, tenant, study = lane
        ((mine, first),) = self._turns(connection, {"k": kind.value, "b": band.value, "t": tenant, "s": study})
        return max(mine or 0, (first or 1) - 1)


def _merged(tickets: Iterable[Ticket]) -> list[Ticket]:
    """One ticket for each thing, with the highest band and the earliest time."""
    merged: dict[tuple[str, Scope], Ticket] = {}
    for given in tickets:
        same = merged.get((given.kind, given.key), given)
        merged[given.kind, given.key] = Ticket(
            given.kind, given.key, min(given.band, same.band), min(given.not_before, same.not_before)
        )
    return list(merged.values())


def _place(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in _KEY)


def _row(given: Ticket, *, turn: int, now: float) -> dict[str, Any]:
    study, series, instance = uids(given.key)
    return {
        "kind": given.kind.value,
        "tenant": given.key.tenant,
        "study_uid": study,
        "series_uid": series,
        "instance_uid": instance,
        "band": given.band.value,
        "turn": turn,
        "not_before": given.not_before,
        "created": now,
        "attempt": 0,
    }
