"""The one way in: every instance, from every door, is received here.

A door writes a file to ``stage()`` and hands it over. It is read once, on a thread of ours (``submit``) or on the
caller's (``receive_now``); then the same thread stores it, together with whatever queued up, unless another thread is
storing already and will take it along.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dicomweb_server.dicom.coerce import Coercion
from dicomweb_server.dicom.rewrite import same_content
from dicomweb_server.dicom.source import BytesSource, FileSource, Source
from dicomweb_server.ingest.arrivals import Capacity, Gate, Handed, Inbox, Level, Waiting
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.deciding import Compared
from dicomweb_server.ingest.staged import coerced, read_staged
from dicomweb_server.model.errors import BackendFailed, DicomwebError, NotFound, OutOfResources, Rejected
from dicomweb_server.model.records import LOCAL, Company, Derived, Origin, Outcome, Principal, Version
from dicomweb_server.objects import layout

log = logging.getLogger(__name__)

MISMATCH = 0xA900
"""The data set is not what it was announced to be (PS3.4 B.2.3, PS3.18 I.2)."""

Read = Callable[[Path, str, bytes | None], Derived]
"""Derive a staged file for a tenant, and make it fit to be stored. Raises Rejected, BackendFailed.

Its content is given where it is not written yet.
"""

IN_MEMORY = 32 << 20
"""Bytes of files handed over unwritten that may wait to be read."""

SameContent = Callable[[Source, Source], bool]
"""Whether two Part 10 files hold the same data set, however encoded."""


class Receive:
    """``close`` waits for what was handed over."""

    def __init__(
        self,
        commit: GroupCommit,
        *,
        read: Read = read_staged,
        same_content: SameContent = same_content,
        threads: int = 2,
        capacity: Capacity | None = None,
        coercion: Callable[[Origin, Derived], Coercion | None] = lambda origin, derived: None,
        new_version: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        capacity = capacity or Capacity()
        self._commit = commit
        self._objects = commit.objects
        self._read = read
        self._coercion = coercion
        self._same_content = same_content
        self._new_version = new_version
        self._gate = Gate(capacity)
        self._unwritten = Level(IN_MEMORY)
        self._inbox = Inbox(capacity.derived)
        # One more than may read: one of them mostly waits for the disk, for all.
        self._readers = ThreadPoolExecutor(threads + 1, "receive")
        # Associations read on threads of their own, and a hostile file may take hundreds of megabytes to read.
        self._reading = threading.BoundedSemaphore(threads)
        self._comparer = ThreadPoolExecutor(1, "compare")

    def stage(self) -> Path:
        """A fresh path for an arrival. Raises OutOfResources when nothing more may come in."""
        self._gate.check()
        return self._objects.staging() / f"{secrets.token_hex(16)}.part"

    def submit(
        self,
        staged: Path,
        origin: Origin,
        *,
        study: str | None = None,
        principal: Principal = LOCAL,
        company: Company | None = None,
        content: bytes | None = None,
    ) -> Future[Outcome]:
        """Done when durable; raises Rejected, OutOfResources, BackendFailed. Never blocks.

        The staged file is receive's from now on, and gone when the future is done; given its ``content``, receive
        writes it too. Of a ``company`` some may wait until ``complete`` says that no more is to come.
        """
        try:
            handed = self._enter(staged, origin, company or Company(), content)
        except DicomwebError as error:
            refused: Future[Outcome] = Future()
            refused.set_exception(error)
            return refused
        if content is not None:
            self._unwritten.add(len(content))
        self._readers.submit(self._receive_all, handed, principal, study)
        return handed.answer

    def takes_in_memory(self, size: int) -> bool:
        """Whether so many bytes may be handed over as content now."""
        return self._unwritten.has_room(size)

    def complete(self, company: Company) -> None:
        """Nothing more of ``company`` is to come. Never blocks."""
        company.to_come = False
        self._readers.submit(self._commit_waiting)

    def receive_now(
        self,
        staged: Path,
        origin: Origin,
        *,
        study: str | None = None,
        sop_class: str | None = None,
        sop_instance: str | None = None,
        principal: Principal = LOCAL,
    ) -> Outcome:
        """Store a staged file; durable on return. The file is gone afterwards, also when this raises.

        Raises Rejected, with reason A900 when the data set is not of ``study``, ``sop_class`` or ``sop_instance``;
        OutOfResources, BackendFailed.
        """
        handed = self._enter(staged, origin, Company(), None)
        self._receive(handed, principal, study=study, sop_class=sop_class, sop_instance=sop_instance)
        while arrivals := self._inbox.take_or_wait(handed.answer):
            self._settle(arrivals)
        return handed.answer.result()

    def close(self) -> None:
        """Return when everything handed over is answered. Nothing may be handed over any more."""
        self._readers.shutdown()
        self._inbox.close()
        self._commit_waiting()
        self._gate.wait_until_empty()
        self._comparer.shutdown()

    def _enter(self, staged: Path, origin: Origin, company: Company, content: bytes | None) -> Handed:
        try:
            size = staged.stat().st_size if content is None else len(content)
            self._gate.enter(size)
        except OSError:
            raise BackendFailed("the staged file cannot be read") from None
        except OutOfResources:
            staged.unlink(missing_ok=True)
            raise
        return Handed(staged, origin, size, self._gate, Future(), company, content)

    def _receive_all(self, handed: Handed, principal: Principal, study: str | None) -> None:
        self._receive(handed, principal, study=study)
        if handed.content is not None:
            self._unwritten.add(-len(handed.content))
            handed.content = None
        self._commit_waiting()

    def _receive(self, handed: Handed, principal: Principal, **expected: str | None) -> None:
        try:
            with self._reading:
                derived = self._read(handed.staged, principal.tenant, handed.content)
                _check(derived, **expected)
                coercion = self._coercion(handed.origin, derived)
                if coercion is not None:
                    derived = coerced(handed.staged, derived, coercion)
            version = self._new_version()
            waiting = Waiting(handed, derived, version, layout.instance(derived.key, version))
        except Exception as error:  # whoever waits for the answer must learn of every failure
            handed.fail(error)
        else:
            self._inbox.put(waiting)

    def _commit_waiting(self) -> None:
        while arrivals := self._inbox.take():
            self._settle(arrivals)

    def _settle(self, arrivals: list[Waiting]) -> None:
        """Commit what was taken from the inbox."""
        try:
            settled = self._commit(arrivals)
            self._inbox.put_back(settled.again)
            for arrival, version in settled.compare:
                self._comparer.submit(self._compare, arrival, version)
        except Exception as error:  # whoever waits must learn of every failure
            log.exception("a commit of %d instances failed", len(arrivals))
            for arrival in arrivals:
                if not arrival.handed.answer.done():
                    arrival.fail(error)
        finally:
            self._inbox.committed()

    def _compare(self, arrival: Waiting, version: Version) -> None:
        try:
            with self._arrived(arrival) as new, self._opened(version.object_key) as old:
                arrival.compared = Compared(version.version, self._same_content(old, new))
        except NotFound:
            arrival.compared = None
        except Exception as error:  # whoever waits for the answer must learn of every failure
            arrival.fail(error)
            self._inbox.put_back([])
        else:
            self._inbox.put_back([arrival])
        self._commit_waiting()

    def _arrived(self, arrival: Waiting) -> AbstractContextManager[Source]:
        """What came, wherever it lies by now: another writer may have got in first when it was adopted."""
        return self._opened(arrival.object_key) if arrival.adopted else FileSource(arrival.handed.staged)

    @contextmanager
    def _opened(self, object_key: str) -> Iterator[Source]:
        path = self._objects.local(object_key)
        if path is None:
            yield BytesSource(asyncio.run(self._objects.read(object_key)))
            return
        try:
            source = FileSource(path)
        except FileNotFoundError:
            raise NotFound("the stored version is gone") from None
        with source:
            yield source


def _check(
    derived: Derived, *, study: str | None = None, sop_class: str | None = None, sop_instance: str | None = None
) -> None:
    told = (study, sop_class, sop_instance)
    found = (derived.key.study, derived.sop_class, derived.key.instance)
    for name, one, other in zip(("study", "SOP class", "SOP instance"), told, found, strict=True):
        if one is not None and one != other:
            raise Rejected(
                f"the {name} is another one than announced",
                reason=MISMATCH,
                sop_class=derived.sop_class,
                sop_instance=derived.key.instance,
            )
