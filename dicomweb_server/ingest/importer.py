"""The folder import: everything below some folders comes in by receive, many at a time. Safe to run again.

What was imported before has the same content and is answered so; a run that broke off is simply started again.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb_server.ingest.finding import ArchiveLimits, Found, Unfit, Unreadable, find
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.errors import DicomwebError, OutOfResources
from dicomweb_server.model.records import LOCAL, Door, Fate, Origin, Outcome, Principal

ORIGIN = Origin(Door.IMPORT)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. ``found`` grows until ``searched``; then it is the total."""

    found: int = 0
    done: int = 0
    size: int = 0
    """Bytes of the files done."""
    stored: int = 0
    replaced: int = 0
    same: int = 0
    kept_first: int = 0
    """Other content was here under the same UIDs, and stays."""
    refused: int = 0
    foreign: int = 0
    """Files that are no DICOM instances; not counted as found."""
    searched: bool = False


@dataclass(frozen=True, slots=True)
class _Done:
    name: str
    size: int
    result: Outcome | DicomwebError | Unreadable


@dataclass
class Import:
    """One run. Iterate to run it: it yields its progress after every step."""

    receive: Receive
    paths: Sequence[Path]
    principal: Principal = LOCAL
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    threads: int = 2
    in_flight: int = 192
    """Files on their way at once."""

    unfit: list[Unfit] = field(default_factory=list)
    """What was not imported, with reasons, when the run is over."""

    _found: int = 0
    _foreign: int = 0
    _size: int = 0
    _counts: Counter[Fate] = field(default_factory=Counter)
    _pending: int = 0
    _done: queue.SimpleQueue[_Done] = field(default_factory=queue.SimpleQueue)

    def __iter__(self) -> Iterator[Progress]:
        """Raises OutOfResources when the disk is full: what is not in by then comes in by the next run."""
        with ThreadPoolExecutor(self.threads, "import") as feeders:
            try:
                for found in find(self.paths, self.limits):
                    yield self._begin(found, feeders)
                while self._pending:
                    self._settle_one()
                    yield self._progress(searched=True)
            finally:
                feeders.shutdown(cancel_futures=True)
        yield self._progress(searched=True)

    def _begin(self, found: Found | Unfit, feeders: ThreadPoolExecutor) -> Progress:
        if isinstance(found, Unfit):
            self.unfit.append(found)
            self._foreign += found.foreign
            return self._progress()
        self._found += 1
        self._pending += 1
        if found.at_once:
            self._feed(found)
        else:
            feeders.submit(self._feed, found)
        while self._pending >= self.in_flight or not self._done.empty():
            self._settle_one()
        return self._progress()

    def _feed(self, found: Found) -> None:
        """Runs in a feeder thread: the file is staged and handed over."""
        staged: Path | None = None
        try:
            staged = self.receive.stage()
            found.write(staged)
            size = staged.stat().st_size
        except (DicomwebError, Unreadable) as error:
            if staged is not None:
                with suppress(OSError):
                    staged.unlink()
            self._done.put(_Done(found.name, 0, error))
            return

        def settled(answer: Future[Outcome]) -> None:
            error = answer.exception()
            if error is None:
                self._done.put(_Done(found.name, size, answer.result()))
            elif isinstance(error, DicomwebError):
                self._done.put(_Done(found.name, size, error))
            else:
                self._done.put(_Done(found.name, size, Unreadable("an internal error; see the log")))

        self.receive.submit(staged, ORIGIN, principal=self.principal).add_done_callback(settled)

    def _settle_one(self) -> None:
        done = self._done.get()
        self._pending -= 1
        self._size += done.size
        match done.result:
            case Outcome(fate=Fate.REFUSED):
                self._refuse(done.name, "other content is here under the same UIDs")
            case Outcome(fate=fate):
                self._counts[fate] += 1
            case OutOfResources() as error:
                raise error
            case error:
                self._refuse(done.name, str(error))

    def _refuse(self, name: str, reason: str) -> None:
        self.unfit.append(Unfit(name, reason, foreign=False))

    def _progress(self, *, searched: bool = False) -> Progress:
        return Progress(
            found=self._found,
            done=self._found - self._pending,
            size=self._size,
            stored=self._counts[Fate.STORED],
            replaced=self._counts[Fate.REPLACED],
            same=self._counts[Fate.SAME],
            kept_first=self._counts[Fate.KEPT_FIRST],
            refused=len(self.unfit) - self._foreign,
            foreign=self._foreign,
            searched=searched,
        )
