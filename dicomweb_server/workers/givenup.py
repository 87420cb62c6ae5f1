"""What follows when a ticket is given up: its row says why, and somebody is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dicomweb_server.catalog.base import Progress
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.states import State
from dicomweb_server.notices.base import Notice, Notices, Subject


class GivenUp:
    """Notices are sent by a thread of their own: nobody waits for a webhook. ``close`` waits for what is on its way."""

    def __init__(self, progress: Progress, notices: Notices) -> None:
        self._progress = progress
        self._notices = notices
        self._sending = ThreadPoolExecutor(1, "notices")

    def __call__(self, ticket: Ticket, reason: str) -> None:
        # A fetch that failed for good says so in its row itself.
        if ticket.kind is Kind.PREPROCESS and isinstance(ticket.key, InstanceKey):
            self._progress.move(ticket.key, State.FAILED, only_from=[State.STORED], reason=reason)
        self._sending.submit(self._notices.send, _notice(ticket, reason))

    def close(self) -> None:
        self._sending.shutdown()


def _notice(ticket: Ticket, reason: str) -> Notice:
    """By kind, so that a thousand dead letters of one kind are not a thousand mails."""
    names = ("study", "series", "instance")
    facts = {name: uid for name in names if (uid := getattr(ticket.key, name, None))}
    text = f"A ticket was given up: {reason}. dicomweb-server dead-letters list names all, requeue sends them again."
    return Notice(Subject.DEAD_LETTER, ticket.kind, text, facts)
