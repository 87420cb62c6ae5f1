"""What one request cost, counted when it has ended, and a line of it in the log where a site wants that."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.types import Scope

from dicomweb_server import metrics

log = logging.getLogger("dicomweb_server.requests")

UNKNOWN = "other"
"""The transaction of a request that no route took."""


@dataclass(slots=True)
class Measured:
    """Of one request. ``transaction`` is set by the route that takes it."""

    transaction: str = UNKNOWN
    status: int = 0
    sent: int = 0
    _begun: float = field(default_factory=time.perf_counter)
    _first_byte: float = 0.0

    def answered(self, status: int) -> None:
        self.status = status
        self._first_byte = time.perf_counter() - self._begun

    def ended(self, method: str, request_id: str) -> None:
        """Neither path nor query are written down: they may hold names (H-26)."""
        requests, first_byte, sent = _figures(self.transaction, self.status)
        requests.inc()
        first_byte.observe(self._first_byte)
        sent.inc(self.sent)
        if log.isEnabledFor(logging.INFO):
            seconds = time.perf_counter() - self._begun
            facts = {"request": request_id, "transaction": self.transaction, "status": self.status}
            facts |= {
                "bytes": self.sent,
                "seconds": round(seconds, 6),
                "first_byte_seconds": round(self._first_byte, 6),
            }
            log.info("%s %s %d", method, self.transaction, self.status, extra=facts)


@lru_cache(maxsize=1024)
def _figures(transaction: str, status: int) -> tuple[metrics.Counter, metrics.Histogram, metrics.Counter]:
    """Of one kind of request and answer, so that no label is looked up for each."""
    return (
        metrics.REQUESTS.labels(transaction, str(status)),
        metrics.FIRST_BYTE.labels(transaction),
        metrics.SENT.labels(transaction),
    )


def measured(scope: Scope) -> Measured:
    """The figures of the request at hand; of none where nothing measures."""
    found = scope.get("dicomweb.measured")
    return found if isinstance(found, Measured) else Measured()
