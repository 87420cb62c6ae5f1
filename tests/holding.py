"""Files of the corpus held by a folder store and a SQLite catalog, come in by receive as they would from any door."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import Door, Origin
from dicomweb_server.objects.folder import FolderStore
from dicomweb_server.signals.memory import MemorySignals
from tests import corpus


@dataclass
class Holding:
    objects: FolderStore
    catalog: SqlCatalog
    receive: Receive

    def take(self, path: Path) -> InstanceKey:
        """Store a copy of the file."""
        staged = self.receive.stage()
        shutil.copyfile(path, staged)
        return self.receive.receive_now(staged, Origin(Door.IMPORT)).key

    def take_bytes(self, body: bytes) -> InstanceKey:
        staged = self.receive.stage()
        staged.write_bytes(body)
        return self.receive.receive_now(staged, Origin(Door.STOW)).key

    def take_all(self, names: Sequence[str]) -> dict[str, InstanceKey]:
        """Store files of the corpus by name."""
        return {name: self.take(corpus.path(name)) for name in names}


@contextmanager
def holding(folder: Path, *, policy: Policy = Policy.REPLACE) -> Iterator[Holding]:
    objects = FolderStore(folder / "objects")
    catalog = open_catalog(f"sqlite:///{folder}/catalog.sqlite")
    commit = GroupCommit(objects, catalog.holdings, MemorySignals(), policy=policy)
    receive = Receive(commit)
    try:
        yield Holding(objects, catalog, receive)
    finally:
        receive.close()
        catalog.close()
