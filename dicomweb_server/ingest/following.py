"""What a source no longer holds goes here too, where the site wants that. What was pushed or pinned stays."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field

from dicomweb_server.catalog.base import Pulling
from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.model.errors import Gone, NotFound
from dicomweb_server.model.ids import StudyKey

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Follow:
    pulling: Pulling
    delete: Delete
    sources: Collection[str] = field(default_factory=frozenset)
    """Those whose deletions are followed."""

    def __call__(self, key: StudyKey, source: str, listed: Collection[tuple[str, str]]) -> int:
        """Forget what of ``key`` came from ``source`` and is not among ``listed`` (series and instance UIDs) any more.

        No tombstone stays: should it come back there, it comes back here. Returns how many instances went.
        """
        if source not in self.sources:
            return 0
        gone = [each for each in self.pulling.held_from(key, source) if (each.series, each.instance) not in listed]
        for each in gone:
            try:
                self.delete(each, reason=f"deleted at source {source}", tombstone=False)
            except (NotFound, Gone):
                continue  # somebody else saw it first
        if gone:
            log.info("%d instances of study %s are no longer at %s, and went here too", len(gone), key.study, source)
        return len(gone)
