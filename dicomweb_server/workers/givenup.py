"""What follows when a ticket is given up: the rows say why, and somebody is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Kind, Lease, Ticket
from dicomweb_server.model.states import State
from dicomweb_server.notices.base import Notice, Notices, Subject

ENDED: dict[Kind, tuple[State, ...]] = {
    Kind.PREPROCESS: (State.STORED,),
    Kind.FETCH: (State.QUEUED, State.FETCHING),
    Kind.CACHE_SERIES: (State.QUEUED,),
}
"""The states of instances that wait for such a ticket: nobody works on them any more."""


class GivenUp:
    """Notices are sent by a thread of their own: nobody waits for a webhook. ``close`` waits for what is on its way."""

    def __init__(self, catalog: Catalog, notices: Notices) -> None:
        self._catalog = catalog
        self._notices = notices
        self._sending = ThreadPoolExecutor(1, "notices")

    def __call__(self, lease: Lease, reason: str) -> None:
        ended = self._ended(lease.ticket)
        if ended:
            self._catalog.progress.fail(self._waiting(lease.ticket), ended, reason=reason, attempts=lease.attempt)
        self._sending.submit(self._notices.send, _notice(lease.ticket, reason))

    def close(self) -> None:
        self._sending.shutdown()

    def _ended(self, ticket: Ticket) -> tuple[State, ...]:
        """What is only announced can still be asked for when its source is back, unless a collection waits for it."""
        states = ENDED.get(ticket.kind, ())
        return (*states, State.ANNOUNCED) if ticket.kind is Kind.CACHE_SERIES and self._is_collected(ticket) else states

    def _is_collected(self, ticket: Ticket) -> bool:
        collections = self._catalog.collections
        known = [collections.get(each.id, each.tenant) for each in collections.loading()]
        return any(member.study == ticket.key.study for each in known for member in each.members)

    def _waiting(self, ticket: Ticket) -> list[InstanceKey]:
        """Which instances wait for it: itself, or what is missing of a series that could not be listed."""
        if isinstance(ticket.key, InstanceKey):
            return [ticket.key]
        if isinstance(ticket.key, SeriesKey):
            return [each.key for each in self._catalog.pulling.missing(ticket.key)]
        return []


def _notice(ticket: Ticket, reason: str) -> Notice:
    """By kind, so that a thousand dead letters of one kind are not a thousand mails."""
    names = ("study", "series", "instance")
    facts = {name: uid for name in names if (uid := getattr(ticket.key, name, None))}
    text = f"A ticket was given up: {reason}. dicomweb-server dead-letters list names all, requeue sends them again."
    return Notice(Subject.DEAD_LETTER, ticket.kind, text, facts)
