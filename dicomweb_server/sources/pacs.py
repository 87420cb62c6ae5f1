"""A PACS, asked by C-FIND and brought here by C-GET or C-MOVE (PS3.4 C.4).

C-GET comes back on the association that asks; C-MOVE comes in by our own C-STORE door, perhaps in another process, so a
pull is written down before it is sent. Series are asked for at image level in growing batches: the first image is here
early, and what a viewer wants next can be put in front between two batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom import build_context, evt

from dicomweb_server.model.errors import BackendFailed, DicomwebError
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.associations import Associations, Peer
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source
from dicomweb_server.sources.contexts import Getting, getting, getting_anything, usual_classes
from dicomweb_server.sources.finding import STUDY_ROOT, Finding, Root
from dicomweb_server.sources.identifiers import retrieving
from dicomweb_server.sources.statuses import (
    PENDING,
    SUCCESS,
    UNKNOWN_DESTINATION,
    WARNING,
    WRONG_IDENTIFIER,
    code_of,
    refusal,
)

BATCHES = (1, 16, 64)
REMEMBERED_SERIES = 1000
NOT_ASKED_FOR = 0x0124


@dataclass(frozen=True, slots=True)
class Pulls:
    """Written down before a C-MOVE goes out, so that what comes in by the C-STORE door can be told from a push."""

    open: Callable[[Sequence[InstanceKey]], int]
    """Commit a pull and return its message id, unique across processes, 1 to 65535."""
    close: Callable[[int], None]


class PacsSource:
    """``pulls`` with ``move_to`` makes it ask by C-MOVE to that AE title; without, by C-GET."""

    kind = Kind.PACS

    def __init__(
        self,
        name: str,
        peer: Peer,
        *,
        root: Root = STUDY_ROOT,
        move_to: str | None = None,
        pulls: Pulls | None = None,
        here: tuple[str, int] | None = None,
    ) -> None:
        if move_to is not None and pulls is None:
            raise ValueError("C-MOVE needs pulls to be written down")
        self.name = name
        self.peer = peer
        self.root = root
        self.here = here
        """Host and port of our C-STORE door, for what ``check`` advises."""
        self.move_to = move_to
        self.associations = Associations(name, peer)
        self._finding = Finding(name, self.associations, root)
        self._pulls = pulls
        self._classes: dict[SeriesKey, frozenset[str]] = {}
        self._usual: dict[SeriesKey, list[str]] = {}

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        return self._finding.search(query, seconds=seconds)

    def series(self, study: str) -> list[DicomJson]:
        return self._finding.series(study)

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        found = self._finding.instances(key)
        self._remember(key, found)
        return found

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        """A C-FIND answer has no geometry, so there is nothing a viewer could use."""
        return None

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        for batch in batches(keys):
            bring = self._move if self.move_to else self._get
            yield from bring(batch, stage)

    def check(self) -> Iterator[Checked]:
        from dicomweb_server.sources.examining import examine

        yield from examine(self)

    def close(self) -> None:
        self._classes.clear()
        self.associations.close()

    def _remember(self, key: SeriesKey, found: Sequence[DicomJson]) -> None:
        classes = (data_set.get("00080016", {}).get("Value", [""])[0] for data_set in found)
        self._classes[key] = frozenset(uid for uid in classes if uid)
        _bound(self._classes)

    # C-GET

    def _get(self, batch: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Each of the batch once; what the PACS did not send is asked for once more, alone.

        Where it did not tell the SOP classes, and they were guessed wrong, that time with every class there is.
        """
        missing = set(batch)
        guessed = not self._classes.get(batch[0].of_series)
        for fetched in self.get_once(batch, stage):
            if guessed and fetched.error is not None:
                continue
            if fetched.key in missing:
                missing.discard(fetched.key)
                yield fetched
            elif fetched.staged is not None:
                fetched.staged.unlink(missing_ok=True)
        for key in [key for key in batch if key in missing]:
            wider = getting_anything(self.root.get) if guessed else None
            again = {fetched.key: fetched for fetched in self.get_once([key], stage, proposed=wider)}
            yield again.get(key) or Fetched(key, error=self._never_came(key))

    def get_once(
        self,
        batch: Sequence[InstanceKey],
        stage: Callable[[], Path],
        *,
        proposed: Getting | None = None,
    ) -> Iterator[Fetched]:
        """What one C-GET of instances of one series brings, each as it comes where the PACS counts along."""
        arrived: deque[Fetched] = deque()
        here: set[InstanceKey] = set()
        wanted = {key.instance: key for key in batch}
        handlers = [(evt.EVT_C_STORE, _write, [wanted, stage, arrived])]
        first, model = batch[0], self.root.get
        try:
            contexts, roles = proposed or getting(model, tuple(self.classes(first.of_series)))
            identifier = retrieving(first.study, first.series, wanted, patient=self._finding.patient(first.study))
            with self.associations.one(contexts, roles=roles, handlers=handlers) as association:
                for status, _ in association.send_c_get(identifier, model):
                    code = code_of(status, self.name, "C-GET")
                    if code not in (SUCCESS, WARNING, *PENDING):
                        passing = code != WRONG_IDENTIFIER
                        raise BackendFailed(f"{self.name} refused C-GET: {refusal(code)}", passing=passing)
                    while arrived:
                        here.add(arrived[0].key)
                        yield arrived.popleft()
        except DicomwebError as error:
            here.update(fetched.key for fetched in arrived)
            arrived.extend(Fetched(key, error=error) for key in batch if key not in here)
        yield from arrived

    def classes(self, key: SeriesKey) -> list[str]:
        """The SOP classes of a series as C-FIND named them; by modality where the PACS leaves them out."""
        if key not in self._classes:
            self.instances(key)
        found = self._classes.get(key)
        if found:
            return sorted(found)
        if key not in self._usual:
            series = {each["0020000E"]["Value"][0]: each for each in self.series(key.study)}
            self._usual[key] = usual_classes(series.get(key.series, {}).get("00080060", {}).get("Value", [""])[0])
            _bound(self._usual)
        return self._usual[key]

    # C-MOVE

    def _move(self, batch: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Ask for the batch; the rows tell what came, since the last C-STORE may follow the final answer."""
        try:
            failed = self.move_once(batch)
        except DicomwebError as error:
            yield from (Fetched(key, error=error) for key in batch)
            return
        for key in batch:
            yield Fetched(key, error=self._never_came(key) if key.instance in failed else None)

    def move_once(self, batch: Sequence[InstanceKey]) -> set[str]:
        """One C-MOVE of instances of one series; those of them that the PACS says it could not send."""
        assert self._pulls is not None
        assert self.move_to is not None
        first, model = batch[0], self.root.move
        instances = [key.instance for key in batch]
        identifier = retrieving(first.study, first.series, instances, patient=self._finding.patient(first.study))
        message_id = self._pulls.open(batch)
        try:
            with self.associations.one([build_context(model)]) as association:
                for status, answer in association.send_c_move(identifier, self.move_to, model, msg_id=message_id):
                    code = code_of(status, self.name, "C-MOVE")
                    if code == WARNING:
                        return set(answer.get("FailedSOPInstanceUIDList") or ()) if answer is not None else set()
                    if code not in (SUCCESS, *PENDING):
                        passing = code != UNKNOWN_DESTINATION
                        raise BackendFailed(f"{self.name} refused C-MOVE: {refusal(code)}", passing=passing)
        finally:
            self._pulls.close(message_id)
        return set()

    def _never_came(self, key: InstanceKey) -> BackendFailed:
        return BackendFailed(f"{self.name} did not send instance {key.instance}", passing=True)


def _bound(remembered: dict[SeriesKey, Any]) -> None:
    while len(remembered) > REMEMBERED_SERIES:
        remembered.pop(next(iter(remembered)), None)


def batches(keys: Sequence[InstanceKey]) -> Iterator[list[InstanceKey]]:
    """Cut what is wanted of one series into growing batches: the first image must not wait for the rest."""
    start, step = 0, 0
    while start < len(keys):
        size = BATCHES[min(step, len(BATCHES) - 1)]
        yield list(keys[start : start + size])
        start, step = start + size, step + 1


def _write(event: evt.Event, wanted: dict[str, InstanceKey], stage: Callable[[], Path], arrived: deque[Fetched]) -> int:
    """Take one C-STORE of a C-GET, undecoded; what was not asked for is refused."""
    key = wanted.get(str(event.request.AffectedSOPInstanceUID))
    if key is None:
        return NOT_ASKED_FOR
    staged = stage()
    staged.write_bytes(event.encoded_dataset())
    arrived.append(Fetched(key, staged))
    return SUCCESS


_: type[Source] = PacsSource
