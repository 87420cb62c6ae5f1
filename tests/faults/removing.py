"""One step of what removes or derives, done by a process of its own so that a test may kill it at any system call.

A data folder holds a study that was pushed and one that a source sent.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.ingest.eviction import Evict
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.errors import Gone
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Door, Origin
from dicomweb_server.objects.folder import FolderStore
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.reindex import Reindex
from dicomweb_server.reconcile.repair import repair
from dicomweb_server.reconcile.series import ReconcileSeries
from tests.ingest.files import part10
from tests.ingest.silence import Silence
from tests.web.making import HerePool

PR_SET_PTRACER = 0x59616D61
PUSHED, FETCHED = StudyKey("1.2.30"), StudyKey("1.2.31")
SERIES = {PUSHED: SeriesKey("1.2.30", "1.2.30.1"), FETCHED: SeriesKey("1.2.31", "1.2.31.1")}
KEYS = {
    study: [InstanceKey(key.study, key.series, f"{key.series}.{number}") for number in (1, 2, 3)]
    for study, key in SERIES.items()
}
FILES = {
    key: part10(key.instance, study=key.study, series=key.series) for study in (PUSHED, FETCHED) for key in KEYS[study]
}


@dataclass(frozen=True, slots=True)
class Held:
    objects: FolderStore
    catalog: SqlCatalog

    def preprocess(self) -> None:
        stage = Preprocess(self.objects, self.catalog, HerePool(), htj2k=True)
        stage([Ticket(Kind.PREPROCESS, key) for key in FILES])

    def reconcile(self) -> None:
        stage = ReconcileSeries(self.objects, self.catalog, quiet_seconds=0)
        stage([Ticket(Kind.RECONCILE, key) for key in SERIES.values()])

    def reindex(self) -> None:
        Reindex(self.objects, self.catalog)([Ticket(Kind.REINDEX, study) for study in (PUSHED, FETCHED)])

    def delete(self) -> None:
        Delete(self.objects, self.catalog.holdings, Silence())(PUSHED)

    def delete_one(self) -> None:
        Delete(self.objects, self.catalog.holdings, Silence())(KEYS[PUSHED][0])

    def purge(self) -> None:
        self._evict().purge(FETCHED)

    def evict(self) -> None:
        self._evict()()

    def _evict(self) -> Evict:
        return Evict(
            self.objects,
            self.catalog.caching,
            Silence(),
            max_bytes=1,
            keep_viewed_seconds=-1,
            keep_arrived_seconds=-1,
            sleep=lambda _: None,
        )


STEPS: dict[str, Callable[[Held], None]] = {
    "preprocess": Held.preprocess,
    "reconcile": Held.reconcile,
    "reindex": Held.reindex,
    "delete": Held.delete,
    "delete one": Held.delete_one,
    "purge": Held.purge,
    "evict": Held.evict,
}


OTHERS: dict[str, Callable[[Held], object]] = {
    "open": lambda held: None,
    "repair": lambda held: repair(held.objects, held.catalog, SqlQueue(held.catalog.database)),
}
"""Steps after which there is something else to be seen: the catalog brought up to date, and what was lost mended."""


@contextmanager
def opened(data: Path) -> Iterator[Held]:
    catalog = open_catalog(f"sqlite:///{data / 'catalog.sqlite'}")
    try:
        yield Held(FolderStore(data / "objects"), catalog)
    finally:
        catalog.close()


def fill(data: Path) -> None:
    """Hold every file of FILES, as it is right after its arrival."""
    with opened(data) as held:
        for study, key in SERIES.items():
            if study is FETCHED:
                listed = [{"00080018": {"vr": "UI", "Value": [each.instance]}} for each in KEYS[study]]
                held.catalog.pulling.announce(study, "pacs", {}, [AnnouncedSeries(key, {}, listed)])
        receive = Receive(GroupCommit(held.objects, held.catalog.holdings, Silence()))
        for instance, body in FILES.items():
            staged = receive.stage()
            staged.write_bytes(body)
            door = Origin(Door.FETCH, source="pacs") if instance in KEYS[FETCHED] else Origin(Door.STOW)
            receive.receive_now(staged, door)
        receive.close()


def run(data: Path, step: str, *, traced: bool) -> None:
    """Do the step; with ``traced`` only once somebody traces this process. Exit code 3: it was done before."""
    sys.dont_write_bytecode = True  # else there are more calls the first time
    if traced:
        # Where the kernel lets only ancestors trace, it is told that anybody may trace this one.
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
        while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
            time.sleep(0.001)
    try:
        with opened(data) as held:
            (STEPS | OTHERS)[step](held)
    except Gone:
        os._exit(3)
