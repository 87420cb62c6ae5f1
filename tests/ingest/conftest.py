from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicomweb_server.dicom.source import Source
from dicomweb_server.ingest.arrivals import Capacity
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.records import Door, Origin, Outcome
from dicomweb_server.objects.folder import FolderStore
from tests.ingest.memory_holdings import MemoryHoldings

ORIGIN = Origin(Door.STOW)


@dataclass
class HeardSignals:
    announced: list[str] = field(default_factory=list)

    def announce(self, topic: str, key: str = "") -> None:
        self.announced.append(topic)

    def wait(self, topics: object, *, timeout_seconds: float) -> tuple[str, str] | None:
        return None

    def close(self) -> None: ...


def alike(one: Source, other: Source) -> bool:
    """Pretends that files of one length hold the same content in other encodings."""
    return one.size == other.size


@dataclass
class House:
    """Receive with a folder store and a catalog in memory."""

    store: FolderStore
    holdings: MemoryHoldings
    signals: HeardSignals
    receive: Receive

    def staged(self, body: bytes) -> Path:
        path = self.receive.stage()
        path.write_bytes(body)
        return path

    def push(
        self, body: bytes, study: str | None = None, sop_class: str | None = None, sop_instance: str | None = None
    ) -> Outcome:
        return self.receive.receive_now(
            self.staged(body), ORIGIN, study=study, sop_class=sop_class, sop_instance=sop_instance
        )

    def objects(self) -> set[str]:
        return {info.key for info in self.store.list()}

    def leftovers(self) -> list[Path]:
        return list(self.store.staging().iterdir())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with_policy = build(tmp_path, Policy.KEEP_FIRST)
    yield with_policy
    with_policy.receive.close()


def build(folder: Path, policy: Policy, capacity: Capacity | None = None) -> House:
    store = FolderStore(folder / "objects")
    holdings, signals = MemoryHoldings(), HeardSignals()
    commit = GroupCommit(store, holdings, signals, policy=policy, quiet_seconds=5.0, now=lambda: 1000.0)
    return House(store, holdings, signals, Receive(commit, same_content=alike, capacity=capacity))
