"""A PACS, asked by C-FIND and brought here by C-GET or C-MOVE (PS3.4 C.4).

C-GET comes back on the association that asks; C-MOVE comes in by our own C-STORE door, perhaps in another process, so a
pull is written down before it is sent. Series are asked for at image level in growing batches: the first image is here
early, and what a viewer wants next can be put in front between two batches.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicomweb_server.model.errors import BackendFailed, DicomwebError, NotFound, OutOfResources
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Level, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source
from dicomweb_server.sources.identifiers import answered, asking, describing, retrieving

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove

BATCHES = (1, 4, 16, 64)
CONTEXTS = 127
"""Presentation contexts beside the one of C-GET (D-32)."""

SYNTAXES = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.107",
)
"""What we take as it is stored, most usual first; a context each, so that nothing is converted on the way."""

STORAGE = "1.2.840.10008.5.1.4.1.1."
CLASSES = {
    "CT": ("2", "2.1", "7"),
    "MR": ("4", "4.1", "7"),
    "PT": ("128", "130"),
    "US": ("6.1", "3.1", "7", "7.2", "7.4"),
    "CR": ("1", "7"),
    "DX": ("1.1", "1.1.1", "7"),
    "MG": ("1.2", "1.2.1", "13.1.3", "7"),
    "XA": ("12.1", "12.1.1", "7"),
    "RF": ("12.2", "12.2.1", "7"),
    "NM": ("20",),
    "SEG": ("66.4", "66.7"),
    "SR": ("88.11", "88.22", "88.33", "88.34"),
    "KO": ("88.59",),
    "PR": ("11.1", "11.2", "11.3"),
    "SM": ("77.1.6",),
    "RTSTRUCT": ("481.3",),
    "RTDOSE": ("481.2",),
    "RTPLAN": ("481.5", "481.8"),
    "DOC": ("104.1", "104.2"),
}
"""What a series of a modality usually holds, for a PACS that does not say."""

SUCCESS, PENDING, WARNING = 0x0000, (0xFF00, 0xFF01), 0xB000
REFUSALS = {
    0xA701: "out of resources to count what matches",
    0xA702: "out of resources to send",
    0xA801: "it does not know the destination AE title: enter this server there",
    0xA900: "the identifier does not match the SOP class",
    0xFE00: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """How a PACS is reached, and how long it may take."""

    host: str
    port: int
    called_aet: str
    calling_aet: str
    associations: int = 2
    """How many associations we keep with it at once."""
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    """Silence longer than this ends the association: nothing is left hanging."""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Pulls:
    """Written down before a C-MOVE goes out, so that what comes in by the C-STORE door can be told from a push."""

    open: Callable[[Sequence[InstanceKey]], int]
    """Commit a pull and return its message id, unique across processes, 1 to 65535."""
    close: Callable[[int], None]


class PacsSource:
    """``pulls`` with ``move_to`` makes it ask by C-MOVE to that AE title; without, by C-GET."""

    kind = Kind.PACS

    def __init__(self, name: str, peer: Peer, *, move_to: str | None = None, pulls: Pulls | None = None) -> None:
        if move_to is not None and pulls is None:
            raise ValueError("C-MOVE needs pulls to be written down")
        self.name = name
        self._peer = peer
        self._move_to = move_to
        self._pulls = pulls
        self._budget = threading.BoundedSemaphore(peer.associations)
        self._classes: dict[SeriesKey, frozenset[str]] = {}

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        return self._find(asking(query), limit=query.limit + query.offset, seconds=seconds)

    def series(self, study: str) -> list[DicomJson]:
        found = self._find(describing(Level.SERIES, study=study))
        if not found:
            raise NotFound(f"{self.name} does not know study {study}")
        return found

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        found = self._find(describing(Level.INSTANCE, study=key.study, series=key.series))
        self._remember(key, found)
        return found

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        """A C-FIND answer has no geometry, so there is nothing a viewer could use."""
        return None

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        for batch in batches(keys):
            bring = self._move if self._move_to else self._get
            yield from bring(batch, stage)

    def check(self) -> Iterator[Checked]:
        yield self._tried("C-ECHO", Verification, self._echo)
        yield self._tried("C-FIND at study level", FIND, self._find_one)
        yield self._tried("C-GET is offered", GET, lambda association: None)
        yield self._tried("C-MOVE is offered", MOVE, lambda association: None)

    def close(self) -> None:
        self._classes.clear()

    def _remember(self, key: SeriesKey, found: Sequence[DicomJson]) -> None:
        classes = (data_set.get("00080016", {}).get("Value", [""])[0] for data_set in found)
        self._classes[key] = frozenset(uid for uid in classes if uid)
        while len(self._classes) > 1000:
            del self._classes[next(iter(self._classes))]

    # C-FIND

    def _find(self, identifier: Dataset, *, limit: int | None = None, seconds: float | None = None) -> list[DicomJson]:
        found: list[DicomJson] = []
        with self._associated([build_context(FIND)], seconds=seconds) as association:
            for status, answer in association.send_c_find(identifier, FIND):
                code = self._code(status, "C-FIND")
                if code in PENDING and answer is not None:
                    found.append(answered(answer))
                    if limit is not None and len(found) >= limit:
                        association.send_c_cancel(1, query_model=FIND)
                        break
                elif code not in (SUCCESS, *PENDING):
                    raise BackendFailed(f"{self.name} refused C-FIND: {_refusal(code)}")
        return found

    # C-GET

    def _get(self, batch: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Each of the batch once; what the PACS did not send is asked for once more, alone."""
        missing = set(batch)
        for fetched in self._get_once(batch, stage):
            if fetched.key in missing:
                missing.discard(fetched.key)
                yield fetched
            elif fetched.staged is not None:
                fetched.staged.unlink(missing_ok=True)
        for key in [key for key in batch if key in missing]:
            again = {fetched.key: fetched for fetched in self._get_once([key], stage)}
            yield again.get(key) or Fetched(key, error=self._never_came(key))

    def _get_once(self, batch: Sequence[InstanceKey], stage: Callable[[], Path]) -> list[Fetched]:
        arrived: list[Fetched] = []
        wanted = {key.instance: key for key in batch}
        handlers = [(evt.EVT_C_STORE, _write, [wanted, stage, arrived])]
        first = batch[0]
        try:
            contexts = self._storage_contexts(first.of_series)
            roles = [build_role(context.abstract_syntax, scp_role=True) for context in contexts]
            with self._associated([build_context(GET), *contexts], roles=roles, handlers=handlers) as association:
                identifier = retrieving(first.study, first.series, wanted)
                for status, _ in association.send_c_get(identifier, GET):
                    code = self._code(status, "C-GET")
                    if code not in (SUCCESS, WARNING, *PENDING):
                        raise BackendFailed(f"{self.name} refused C-GET: {_refusal(code)}", passing=code != 0xA900)
        except DicomwebError as error:
            have = {fetched.key for fetched in arrived}
            arrived.extend(Fetched(key, error=error) for key in batch if key not in have)
        return arrived

    def _storage_contexts(self, key: SeriesKey) -> list[PresentationContext]:
        if key not in self._classes:
            self.instances(key)
        classes = sorted(self._classes.get(key, ()) or self._usual_classes(key))
        each = max(1, CONTEXTS // len(classes))
        return [build_context(uid, syntax) for uid in classes for syntax in SYNTAXES[:each]][:CONTEXTS]

    def _usual_classes(self, key: SeriesKey) -> Sequence[str]:
        """Some archives leave SOP Class UID out of their answers; then the modality has to do."""
        series = {each["0020000E"]["Value"][0]: each for each in self.series(key.study)}
        modality = series.get(key.series, {}).get("00080060", {}).get("Value", [""])[0]
        usual = CLASSES.get(modality) or tuple(uid for some in CLASSES.values() for uid in some[:1])
        return [STORAGE + uid for uid in usual]

    # C-MOVE

    def _move(self, batch: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Ask for the batch; the rows tell what came, since the last C-STORE may follow the final answer."""
        assert self._pulls is not None
        assert self._move_to is not None
        message_id = self._pulls.open(batch)
        try:
            failed = self._move_once(batch, message_id)
        except DicomwebError as error:
            yield from (Fetched(key, error=error) for key in batch)
            return
        finally:
            self._pulls.close(message_id)
        for key in batch:
            yield Fetched(key, error=self._never_came(key) if key.instance in failed else None)

    def _move_once(self, batch: Sequence[InstanceKey], message_id: int) -> set[str]:
        first = batch[0]
        identifier = retrieving(first.study, first.series, [key.instance for key in batch])
        with self._associated([build_context(MOVE)]) as association:
            for status, answer in association.send_c_move(identifier, self._move_to, MOVE, msg_id=message_id):
                code = self._code(status, "C-MOVE")
                if code in (SUCCESS, *PENDING):
                    continue
                if code != WARNING:
                    raise BackendFailed(f"{self.name} refused C-MOVE: {_refusal(code)}", passing=code not in (0xA801,))
                return set(answer.get("FailedSOPInstanceUIDList") or ()) if answer is not None else set()
        return set()

    # associations

    @contextmanager
    def _associated(
        self,
        contexts: list[PresentationContext],
        *,
        roles: Sequence[object] = (),
        handlers: Sequence[object] = (),
        seconds: float | None = None,
    ) -> Iterator[Association]:
        peer = self._peer
        entity = AE(ae_title=peer.calling_aet)
        entity.acse_timeout = entity.connection_timeout = min(peer.connect_seconds, seconds or peer.connect_seconds)
        entity.dimse_timeout = entity.network_timeout = min(peer.answer_seconds, seconds or peer.answer_seconds)
        entity.maximum_pdu_size = 0
        if not self._budget.acquire(timeout=seconds or peer.answer_seconds):
            raise OutOfResources(f"all {peer.associations} associations with {self.name} are busy")
        try:
            association = entity.associate(
                peer.host,
                peer.port,
                contexts=contexts,
                ae_title=peer.called_aet,
                ext_neg=list(roles),
                evt_handlers=list(handlers),
                tls_args=(peer.tls, peer.host) if peer.tls else None,
            )
            if not association.is_established:
                raise self._unreachable(association)
            if not association.accepted_contexts or association.accepted_contexts[0].abstract_syntax != (
                contexts[0].abstract_syntax
            ):
                association.release()
                raise BackendFailed(f"{self.name} does not offer {contexts[0].abstract_syntax.name}")
            try:
                yield association
            finally:
                if association.is_established:
                    association.release()
        finally:
            self._budget.release()

    def _unreachable(self, association: Association) -> BackendFailed:
        if association.is_rejected:
            return BackendFailed(f"{self.name} rejected the association: check both AE titles there", passing=True)
        return BackendFailed(f"{self.name} cannot be reached", passing=True)

    def _code(self, status: Dataset, command: str) -> int:
        if "Status" not in status:
            raise BackendFailed(f"{self.name} did not answer {command} in time", passing=True)
        return int(status.Status)

    def _never_came(self, key: InstanceKey) -> BackendFailed:
        return BackendFailed(f"{self.name} did not send instance {key.instance}", passing=True)

    # doctor

    def _tried(self, what: str, sop_class: object, work: Callable[[Association], None]) -> Checked:
        try:
            with self._associated([build_context(sop_class)]) as association:
                work(association)
        except DicomwebError as error:
            return Checked(what, False, str(error))
        return Checked(what, True)

    def _echo(self, association: Association) -> None:
        if self._code(association.send_c_echo(), "C-ECHO") != SUCCESS:
            raise BackendFailed(f"{self.name} did not answer C-ECHO with success")

    def _find_one(self, association: Association) -> None:
        for status, _ in association.send_c_find(describing(Level.STUDY), FIND):
            self._code(status, "C-FIND")
            association.send_c_cancel(1, query_model=FIND)
            return


def batches(keys: Sequence[InstanceKey]) -> Iterator[list[InstanceKey]]:
    """Cut what is wanted of one series into growing batches: the first image must not wait for the rest."""
    start, step = 0, 0
    while start < len(keys):
        size = BATCHES[min(step, len(BATCHES) - 1)]
        yield list(keys[start : start + size])
        start, step = start + size, step + 1


def _write(event: evt.Event, wanted: dict[str, InstanceKey], stage: Callable[[], Path], arrived: list[Fetched]) -> int:
    """Take one C-STORE of a C-GET, undecoded; what was not asked for is refused."""
    key = wanted.get(str(event.request.AffectedSOPInstanceUID))
    if key is None:
        return 0x0124
    staged = stage()
    staged.write_bytes(event.encoded_dataset())
    arrived.append(Fetched(key, staged))
    return SUCCESS


def _refusal(code: int) -> str:
    return REFUSALS.get(code, f"status {code:04X}")


_: type[Source] = PacsSource
