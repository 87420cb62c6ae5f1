"""A PACS made of pynetdicom that holds some files, and gives or moves them in the way a test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pydicom
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
LIST_OF_FAILED = "FailedSOPInstanceUIDList"
Answers = Iterator[Any]


@dataclass
class Faulty:
    files: dict[str, bytes]
    strangers: dict[str, bytes]
    fault: str = ""
    """What goes wrong; nothing when empty."""
    gets: int = 0
    destination: int = 0
    """Port to which all is moved."""
    freed: threading.Event = field(default_factory=threading.Event)

    def find(self, event: evt.Event) -> Answers:
        asked = event.identifier
        level = LEVELS[asked.QueryRetrieveLevel]
        told: set[str] = set()
        for one in _matching(self.files, asked):
            if one[level].value not in told:
                told.add(one[level].value)
                answer = Dataset()
                answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
                for element in asked:
                    if element.keyword in one and element.keyword != "QueryRetrieveLevel":
                        answer[element.tag] = one[element.tag]
                yield 0xFF00, answer

    def get(self, event: evt.Event) -> Answers:
        yield from self._given(event, [])

    def move(self, event: evt.Event) -> Answers:
        contexts = [build_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)]
        yield from self._given(event, [("127.0.0.1", self.destination, {"contexts": contexts})])

    def _given(self, event: evt.Event, first: list[Any]) -> Answers:
        self.gets += 1
        wanted = _matching(self.files, event.identifier)
        if self.fault == "never answers":
            self.freed.wait(60)
            wanted = []
        if self.fault == "sends others":
            wanted = [_read(body) for body in self.strangers.values()]
        if self.fault == "sends twice":
            wanted = [one for one in wanted for _ in range(2)]
        if self.fault in ("dies in the middle", "says success too early", "warns"):
            whole, wanted = wanted, wanted[: len(wanted) * 9 // 10]
        yield from [*first, len(wanted)]
        for one in wanted:
            yield 0xFF00, one
        if self.fault == "dies in the middle":
            event.assoc.abort()
        if self.fault == "warns":
            missing = Dataset()
            missing.FailedSOPInstanceUIDList = [one.SOPInstanceUID for one in whole[len(wanted) :]]
            yield 0xB000, missing


def _matching(files: dict[str, bytes], asked: Dataset) -> list[Dataset]:
    return [one for one in map(_read, files.values()) if all(_holds(one, asked, name) for name in LEVELS.values())]


def _holds(one: Dataset, asked: Dataset, name: str) -> bool:
    value = asked.get(name)
    return not value or one[name].value in ([value] if isinstance(value, str) else value)


def _read(body: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(body))


@contextlib.contextmanager
def faulty_pacs(pacs: Faulty) -> Iterator[int]:
    """Its port."""
    entity = AE("ARCHIVE")
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    if pacs.fault != "refuses contexts":
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        entity.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian, scu_role=True, scp_role=True)
    handlers = [(evt.EVT_C_FIND, pacs.find), (evt.EVT_C_GET, pacs.get), (evt.EVT_C_MOVE, pacs.move)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1]
    finally:
        pacs.freed.set()
        server.shutdown()


def healed(pacs: Faulty) -> None:
    pacs.fault = ""
    pacs.freed.set()
