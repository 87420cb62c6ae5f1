"""A running SCP whose receive is a plain folder: what it was given can be read back and compared."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pytest

from dicomweb_server.dimse.admission import TitleRules
from dicomweb_server.dimse.server import Server
from dicomweb_server.model.errors import DicomwebError, Rejected
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.records import Fate, Origin, Outcome


@dataclass
class FolderReceive:
    """Keeps each file under its SOP Instance UID."""

    folder: Path
    origins: dict[str, Origin] = field(default_factory=dict)
    refuse: DicomwebError | None = None
    fate: Fate = Fate.STORED
    hold: threading.Event = field(default_factory=threading.Event)
    """Every call waits until it is set."""
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.hold.set()
        self.staging.mkdir()
        self.stored.mkdir()

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @property
    def stored(self) -> Path:
        return self.folder / "stored"

    def stage(self) -> Path:
        return self.staging / str(next(self._numbers))

    def receive_now(self, staged: Path, origin: Origin, *, sop_class: str, sop_instance: str) -> Outcome:
        self.entered.release()
        self.hold.wait(30)
        if self.refuse is not None:
            raise self.refuse
        header = pydicom.dcmread(staged, stop_before_pixels=True)
        if (header.get("SOPClassUID"), header.get("SOPInstanceUID")) != (sop_class, sop_instance):
            raise Rejected("data set is another instance than the command says", reason=0xA900)
        self.origins[sop_instance] = origin
        staged.rename(self.stored / sop_instance)
        key = InstanceKey(header.StudyInstanceUID, header.SeriesInstanceUID, sop_instance)
        return Outcome(key, sop_class, self.fate)

    def files(self) -> list[Path]:
        return sorted(self.stored.iterdir())


@pytest.fixture
def receive(tmp_path: Path) -> FolderReceive:
    return FolderReceive(tmp_path)


Start = Callable[..., Server]


@pytest.fixture
def start(receive: FolderReceive) -> Iterator[Start]:
    """Starts servers on free ports, stopped after the test."""
    started: list[Server] = []

    def begin(**wishes: Any) -> Server:
        server = Server(receive, port=0, **{"titles": TitleRules("DICOMWEB"), **wishes})
        server.start()
        started.append(server)
        return server

    yield begin
    for server in started:
        server.stop(grace_seconds=5)


@pytest.fixture
def server(start: Start) -> Server:
    return start()
