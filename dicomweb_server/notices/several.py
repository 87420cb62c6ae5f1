"""Sends a notice every way a site has set up, the same one not more often than it helps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.notices.base import Notice, Notices

log = logging.getLogger(__name__)

REMEMBERED = 1000


class SeveralNotices:
    """One way that fails does not keep the others from being tried; failures are logged, never raised."""

    def __init__(
        self, ways: Sequence[Notices], *, quiet_seconds: float = 300.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ways = tuple(ways)
        self._quiet = quiet_seconds
        self._now = now
        self._sent: dict[tuple[str, str], float] = {}

    def send(self, notice: Notice) -> None:
        if not self._due(notice):
            return
        for way in self._ways:
            try:
                way.send(notice)
            except BackendFailed as error:
                log.error("notice %s %s was not delivered: %s", notice.subject, notice.about, error)

    def _due(self, notice: Notice) -> bool:
        key, now = (notice.subject, notice.about), self._now()
        if now - self._sent.get(key, -self._quiet) < self._quiet:
            return False
        self._sent.pop(key, None)
        self._sent[key] = now
        while len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return True


_: type[Notices] = SeveralNotices
