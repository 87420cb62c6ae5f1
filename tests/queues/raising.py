"""How soon one series is in front when 10,000 tickets wait: ``python -m tests.queues.raising``."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.queues.sql import SqlQueue

SERIES, IMAGES, ROUNDS = 40, 250, 9


def tickets(series: int, band: Band) -> list[Ticket]:
    return [Ticket(Kind.FETCH, InstanceKey("1.2", f"1.2.{series}", f"1.2.{series}.{n}"), band) for n in range(IMAGES)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = open_catalog(f"sqlite:///{Path(folder) / 'catalog.sqlite'}")
        queue = SqlQueue(catalog.database)
        for series in range(SERIES):
            queue.put(tickets(series, Band.STUDY))
        raising, taking, right = [], [], True
        for series in range(SERIES - ROUNDS, SERIES):
            began = time.perf_counter()
            queue.put(tickets(series, Band.SERIES))
            raised = time.perf_counter()
            leases = queue.take("bench", kinds=[Kind.FETCH], limit=8, lease_seconds=60)
            taking.append(time.perf_counter() - raised)
            raising.append(raised - began)
            right &= {lease.ticket.key for lease in leases} <= {each.key for each in tickets(series, Band.SERIES)}
            queue.done(leases)
            queue.done(queue.take("bench", kinds=[Kind.FETCH], limit=IMAGES - 8, lease_seconds=60))
        waiting = sum(queue.stats().waiting.values())
        catalog.close()
    print(f"{SERIES * IMAGES} tickets at first, {waiting} at last; the raised series came first: {right}")
    print(f"raise {IMAGES}: median {statistics.median(raising) * 1e3:.1f} ms, most {max(raising) * 1e3:.1f} ms")
    print(f"take the first 8: median {statistics.median(taking) * 1e3:.1f} ms, most {max(taking) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
