"""Dead letters of what is well again, or no longer known, are forgotten: it came another way, or was deleted."""

from __future__ import annotations

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.states import State
from dicomweb_server.queues.base import Queue

HERE = frozenset({State.STORED, State.READY})
MOST = 1000
"""Looked at in one sweep, the oldest first."""


def drop_moot(catalog: Catalog, queue: Queue) -> int:
    """How many. The rows are the truth: they were moved before the ticket was given up."""
    letters = queue.dead_letters(limit=MOST)
    return queue.drop([letter.id for letter in letters if not _matters(catalog, letter.ticket)])


def _matters(catalog: Catalog, ticket: Ticket) -> bool:
    key = ticket.key
    if isinstance(key, InstanceKey):
        return any(each.state is State.FAILED for each in catalog.progress.standing(key))
    try:
        if isinstance(key, SeriesKey):
            progress = catalog.holdings.series_progress(key)
            return progress.document is None if ticket.kind is Kind.RECONCILE else not HERE.issuperset(progress.counts)
        return bool(catalog.holdings.series_of(key))
    except NotFound:
        return False
