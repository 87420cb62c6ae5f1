"""Mends what ``verify`` finds: files that are lost or damaged, files that belong to nobody, work without a ticket."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.states import State
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.queues.base import Queue
from dicomweb_server.reconcile.audit import Audit, Flaw, Found
from dicomweb_server.reconcile.lost import queue_lost

LOST = "its file is lost"
DAMAGED = "its file is damaged"


@dataclass(slots=True)
class Mended:
    queued: int = 0
    removed: int = 0
    """Files that belonged to nobody."""
    rewritten: int = 0
    """Documents of series that were lost: they are written anew."""
    announced: int = 0
    """Lost or damaged, and to be had from their source again."""
    lost: list[InstanceKey] = field(default_factory=list)
    """Lost for good: failed, with the reason in their rows."""
    damaged: list[InstanceKey] = field(default_factory=list)
    """Failed too, and what is left of the file is kept and served."""


def repair(objects: ObjectStore, catalog: Catalog, queue: Queue, *, digests: bool = False) -> Mended:
    """May be called at any time, and again. ``digests``: read every file, and compare its content too."""
    audit = Audit(objects, catalog)
    mended = Mended()
    for found in list(audit.broken(digests=digests)):
        if isinstance(found.key, InstanceKey):
            _mend(catalog, found, found.key, mended)
        elif isinstance(found.key, SeriesKey):
            mended.rewritten += catalog.mending.forget_document(found.key, found.object_key)
    orphans = list(audit.orphans())
    objects.delete(orphans)
    mended.removed = len(orphans)
    mended.queued = queue_lost(catalog, queue)
    return mended


def _mend(catalog: Catalog, found: Found, key: InstanceKey, mended: Mended) -> None:
    version = catalog.holdings.current([key]).get(key)
    is_current = version is not None and version.object_key == found.object_key
    if is_current and catalog.caching.evict(key):
        mended.announced += 1
    elif found.flaw is Flaw.MISSING:
        if catalog.mending.lose(key, found.object_key, reason=LOST):
            mended.lost.append(key)
    elif is_current and catalog.progress.move(key, State.FAILED, only_from=[State.STORED, State.READY], reason=DAMAGED):
        mended.damaged.append(key)
