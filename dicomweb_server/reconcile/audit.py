"""Compares the objects with the catalog, both ways, also while others store and remove.

Rows and objects cannot be read in the same moment, so whatever looks like a flaw is asked for again: a row before its
object is called lost or damaged, an object that no row names after all who just let it go have removed it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path

from dicomweb_server.catalog.base import Catalog, HeldDocument, HeldObject, SeriesProgress
from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.source import FileSource
from dicomweb_server.model.errors import DicomwebError, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.objects import layout
from dicomweb_server.objects.base import ObjectStore

GRACE_SECONDS = 3600.0
"""An object younger than this may belong to a transaction that is still to come."""

LEAVING_SECONDS = 10.0
"""What is let go stays for those who still read it, for less than this."""

TOGETHER = 500
"""Objects looked at before the catalog is asked again about those that seem to be wrong."""


class Flaw(StrEnum):
    MISSING = "missing"
    """The catalog names an object that is not there."""
    SIZE = "size"
    DIGEST = "digest"
    """The content is not the one that was stored, or cannot be read."""
    ORPHAN = "orphan"
    """An object that the catalog does not name."""


@dataclass(frozen=True, slots=True)
class Found:
    flaw: Flaw
    object_key: str
    key: InstanceKey | SeriesKey | None = None
    """Whose it is: that of an instance, or the document of a series; None where nobody names it."""


@dataclass(frozen=True, slots=True)
class Audit:
    objects: ObjectStore
    catalog: Catalog
    grace_seconds: float = GRACE_SECONDS
    now: Callable[[], float] = time.time
    wait: Callable[[float], bool] = threading.Event().wait
    """Waits for so many seconds, or less, and answers whether to stop: no more orphans are looked for then."""

    def flaws(self, *, digests: bool = False) -> Iterator[Found]:
        """What the catalog names and is not right, then what it does not name."""
        yield from self.broken(digests=digests)
        yield from (Found(Flaw.ORPHAN, name) for name in self.orphans())

    def broken(self, *, digests: bool = False) -> Iterator[Found]:
        """What the catalog names and is lost or damaged."""
        everything = self.catalog.inventory.objects()
        while some := list(islice(everything, TOGETHER)):
            suspected = [(held, flaw) for held in some if (flaw := self._flaw(held, digests)) is not None]
            yield from self._still_named(suspected)
        for document in self.catalog.inventory.documents():
            if self._is_lost(document):
                yield Found(Flaw.MISSING, document.object_key, document.key)

    def orphans(self) -> Iterator[str]:
        """Files, pictures and documents that no row names, study by study.

        Listed first, asked for afterwards: rows come later. And once more when what was just let go has left.
        """
        found = list(self._unnamed(self._old()))
        if self.wait(LEAVING_SECONDS if found else 0.0):
            return
        yield from self._unnamed(name for name in found if self._is_there(name))

    def _old(self) -> Iterator[str]:
        oldest = self.now() - self.grace_seconds
        for info in self.objects.list():
            if self.wait(0.0):
                return
            if info.modified < oldest:
                yield info.key

    def _unnamed(self, names: Iterable[str]) -> Iterator[str]:
        for study, some in groupby(names, key=layout.study_of):
            if study is not None:
                together = list(some)
                owned = self._owned(study)
                yield from (name for name in together if name not in owned)

    def _still_named(self, suspected: list[tuple[HeldObject, Flaw]]) -> Iterator[Found]:
        """What left or was replaced since its row was read is no flaw."""
        named = {
            held.object_key
            for study in {held.key.of_study for held, _ in suspected}
            for held in self.catalog.inventory.objects(study)
        }
        yield from (Found(flaw, held.object_key, held.key) for held, flaw in suspected if held.object_key in named)

    def _owned(self, study: StudyKey) -> set[str]:
        owned = set()
        for held in self.catalog.inventory.objects(study):
            owned |= {held.object_key, *layout.made_from(held.object_key)}
        for document in self.catalog.inventory.documents(study):
            owned |= {document.object_key, document.object_key + ".gz"}
        return owned

    def _is_lost(self, document: HeldDocument) -> bool:
        return not self._is_there(document.object_key) and any(
            progress.document is not None and progress.document.object_key == document.object_key
            for progress in self._progress(document.key)
        )

    def _is_there(self, name: str) -> bool:
        try:
            self.objects.stat(name)
        except NotFound:
            return False
        return True

    def _progress(self, key: SeriesKey) -> list[SeriesProgress]:
        try:
            return [self.catalog.holdings.series_progress(key)]
        except NotFound:
            return []

    def _flaw(self, held: HeldObject, digests: bool) -> Flaw | None:
        try:
            size = self.objects.stat(held.object_key).size
        except NotFound:
            return Flaw.MISSING
        if size != held.size:
            return Flaw.SIZE
        return Flaw.DIGEST if digests and not self._intact(held) else None

    def _intact(self, held: HeldObject) -> bool:
        path = self.objects.local(held.object_key)
        if path is None:
            return True
        try:
            with FileSource(Path(path)) as source:
                return derive(source).digest == held.digest
        except (DicomwebError, OSError):
            return False
