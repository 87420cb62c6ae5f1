"""Work whose ticket was lost is found from the rows and queued again."""

from __future__ import annotations

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import Scope
from dicomweb_server.model.messages import Kind
from dicomweb_server.queues.base import Queue

PAGE = 500


def queue_lost(catalog: Catalog, queue: Queue) -> int:
    """Put a ticket for all unfinished work but what rests as a dead letter; how many. May be called at any time."""
    dead: set[tuple[Kind, Scope]] = set()
    offset = 0
    while letters := queue.dead_letters(limit=PAGE, offset=offset):
        dead |= {(letter.ticket.kind, letter.ticket.key) for letter in letters}
        offset += len(letters)
    lost = [ticket for ticket in catalog.inventory.unfinished() if (ticket.kind, ticket.key) not in dead]
    queue.put(lost)
    return len(lost)
