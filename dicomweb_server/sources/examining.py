"""What ``doctor`` tries of a PACS, with one of its own images, and what to set here and there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.uid import UID
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.sop_class import Verification

from dicomweb_server.model.errors import BackendFailed, DicomwebError
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Level, Query
from dicomweb_server.sources.base import Checked
from dicomweb_server.sources.contexts import SYNTAXES, storage_contexts
from dicomweb_server.sources.finding import PATIENT_ROOT, STUDY_ROOT, Finding
from dicomweb_server.sources.statuses import SUCCESS, code_of

if TYPE_CHECKING:
    from dicomweb_server.sources.pacs import PacsSource

LOOKED_THROUGH = 5
"""Studies in which an image to try with is looked for."""
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Tried:
    """The outcome of one trial: what it found, in words."""

    text: str


def examine(source: PacsSource) -> Iterator[Checked]:
    """C-ECHO, C-FIND by both roots, then C-GET and C-MOVE of one image. Nothing is kept of it."""
    yield _checked("C-ECHO", lambda: _echo(source))
    for words, root in (("study root", STUDY_ROOT), ("patient root", PATIENT_ROOT)):
        needed = source.root is root
        found = _checked(f"C-FIND, {words}", lambda root=root: _find(source, root))  # type: ignore[misc]
        yield found if needed else replace(found, needed=False)
    sample = _sample(source)
    if sample is None:
        yield Checked("an image to try with", False, "C-FIND named none; the trials of C-GET and C-MOVE are left out")
        return
    moves = source.move_to is not None
    get = _checked("C-GET of one image", lambda: _get(source, sample))
    yield replace(get, needed=not moves)
    if get.works:
        yield replace(_checked("transfer syntaxes", lambda: _syntaxes(source, sample)), needed=False)
    if moves:
        move = _checked(f"C-MOVE of one image to {source.move_to}", lambda: _move(source, sample))
        yield move
        yield from _advice(source, get, move)


def _advice(source: PacsSource, get: Checked, move: Checked) -> Iterator[Checked]:
    host, port = source.here or ("this machine", 0)
    if not move.works:
        there = f"on the PACS, enter AE title {source.move_to} at the address of this machine ({host}), port {port}"
        here = '; or here, set retrieve = "get", which works' if get.works else ""
        yield Checked("what to set", False, there + here, needed=False)


def _checked(what: str, work: Callable[[], Tried]) -> Checked:
    try:
        return Checked(what, True, work().text)
    except DicomwebError as error:
        return Checked(what, False, str(error))


def _echo(source: PacsSource) -> Tried:
    with source.associations.one([build_context(Verification)], seconds=SECONDS) as association:
        if code_of(association.send_c_echo(), source.name, "C-ECHO") != SUCCESS:
            raise BackendFailed(f"{source.name} did not answer C-ECHO with success")
        return Tried("")


def _find(source: PacsSource, root: object) -> Tried:
    finding = Finding(source.name, source.associations, PATIENT_ROOT if root is PATIENT_ROOT else STUDY_ROOT)
    found = finding.search(Query(Level.STUDY, limit=1), seconds=SECONDS)
    return Tried("" if found else "it works, and names no study")


def _sample(source: PacsSource) -> InstanceKey | None:
    try:
        for study in source.search(Query(Level.STUDY, limit=LOOKED_THROUGH), seconds=SECONDS):
            uid = study["0020000D"]["Value"][0]
            for series in source.series(uid):
                key = SeriesKey(uid, series["0020000E"]["Value"][0])
                for instance in source.instances(key):
                    return InstanceKey(key.study, key.series, instance["00080018"]["Value"][0])
    except (DicomwebError, KeyError, IndexError):
        return None
    return None


def _get(source: PacsSource, sample: InstanceKey) -> Tried:
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        began = time.perf_counter()
        for fetched in source.get_once([sample], lambda: Path(folder) / str(next(numbers))):
            if fetched.error is not None:
                raise fetched.error
            if fetched.staged is not None:
                seconds, size = time.perf_counter() - began, fetched.staged.stat().st_size
                return Tried(f"{size} bytes in {seconds:.2f} s")
    raise BackendFailed(f"{source.name} said it was sent, and nothing came")


def _syntaxes(source: PacsSource, sample: InstanceKey) -> Tried:
    """What the PACS would send of the sample's SOP class without conversion."""
    (sop_class, *_) = source.classes(sample.of_series)
    contexts = storage_contexts([sop_class])
    roles = [build_role(sop_class, scp_role=True)]
    with source.associations.one([build_context(source.root.get), *contexts], roles=roles) as association:
        accepted = {str(each.transfer_syntax[0]) for each in association.accepted_contexts[1:]}
    return Tried(", ".join(UID(uid).name for uid in SYNTAXES if uid in accepted) or "none")


def _move(source: PacsSource, sample: InstanceKey) -> Tried:
    """With the server running, the image comes in by its door; else we listen there for a moment."""
    with _listening(source) as arrived:
        began = time.perf_counter()
        if source.move_once([sample]):
            raise BackendFailed(f"{source.name} could not send to {source.move_to}")
        if arrived is not None and sample.instance not in arrived:
            raise BackendFailed(f"{source.name} said it was sent, and nothing came to our port")
    return Tried(f"in {time.perf_counter() - began:.2f} s" + ("" if arrived is not None else ", to the running server"))


@contextmanager
def _listening(source: PacsSource) -> Iterator[set[str] | None]:
    """SOP Instance UIDs that came while we listened; None where a server has the port."""
    arrived: set[str] = set()

    def take(event: evt.Event) -> int:
        arrived.add(str(event.request.AffectedSOPInstanceUID))
        return SUCCESS

    entity = AE(ae_title=source.move_to or "")
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, list(SYNTAXES))
    if source.here is None:
        yield None
        return
    try:
        server = entity.start_server(source.here, block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
    except OSError:
        yield None
        return
    try:
        yield arrived
    finally:
        server.shutdown()
