"""Work whose ticket was lost is found from the rows and queued again."""

from __future__ import annotations

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.queues.base import Queue


def queue_lost(catalog: Catalog, queue: Queue) -> int:
    """Put a ticket for all unfinished work that has none; how many. May be called at any time.

    What rests as a dead letter is left at rest.
    """
    return queue.put_missing(catalog.inventory.unfinished())
