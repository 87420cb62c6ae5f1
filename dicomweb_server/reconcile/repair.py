"""Mends what ``verify`` finds: rows whose file is lost, files that belong to nobody, work without a ticket."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.states import State
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.queues.base import Queue
from dicomweb_server.reconcile.audit import Audit, Flaw
from dicomweb_server.reconcile.lost import queue_lost

LOST = "its file is lost"


@dataclass(slots=True)
class Mended:
    queued: int = 0
    removed: int = 0
    """Files that belonged to nobody."""
    announced: int = 0
    """Lost, and to be had from their source again."""
    lost: list[InstanceKey] = field(default_factory=list)
    """Lost for good: failed, with the reason in their rows."""


def repair(objects: ObjectStore, catalog: Catalog, queue: Queue) -> Mended:
    """May be called at any time, and again."""
    audit = Audit(objects, catalog)
    mended = Mended()
    missing = [found for found in audit.flaws() if found.flaw is Flaw.MISSING and found.key is not None]
    for found in missing:
        assert found.key is not None
        if catalog.caching.evict(found.key):
            mended.announced += 1
        elif catalog.progress.move(found.key, State.FAILED, only_from=[State.STORED, State.READY], reason=LOST):
            mended.lost.append(found.key)
    orphans = audit.orphans()
    objects.delete(orphans)
    mended.removed = len(orphans)
    mended.queued = queue_lost(catalog, queue)
    return mended
