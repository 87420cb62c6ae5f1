"""A small server over what a test hands in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import httpx
import pydicom

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.errors import OutOfResources, Rejected
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.query import Page, Query
from dicomweb_server.model.records import LOCAL, Company, Fate, Origin, Outcome, Principal
from dicomweb_server.objects.memory import MemoryStore
from dicomweb_server.retrieve.bulkdata import Bulkdata
from dicomweb_server.retrieve.derived import Derived
from dicomweb_server.retrieve.frames import Frames
from dicomweb_server.retrieve.metadata import Metadata
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.search import Search
from dicomweb_server.retrieve.shelf import Shelf
from dicomweb_server.retrieve.thumbnails import Thumbnails
from dicomweb_server.retrieve.transcoded import TranscodedForms
from dicomweb_server.web.app import WebOptions, make_app
from dicomweb_server.web.ports import Deleting, Receiving
from dicomweb_server.web.services import Services

P = ParamSpec("P")
R = TypeVar("R")

OBJECTS = MemoryStore()
"""Holds nothing; one for all, since it has a folder to clean up."""
BASE_URL = "http://testserver"
STUDY_MISMATCH = 0xA900


@dataclass
class RecordingSearch:
    """Answers every query with the same page and keeps what it was asked."""

    page: Page = field(default_factory=lambda: Page((), 0))
    asked: list[Query] = field(default_factory=list)

    def find(self, query: Query) -> Page:
        self.asked.append(query)
        return self.page


@dataclass
class CountingOnly:
    """A catalog of which search and counts are there."""

    search: RecordingSearch

    @property
    def progress(self) -> CountingOnly:
        return self

    @property
    def changes(self) -> CountingOnly:
        return self

    def totals(self) -> dict[str, int]:
        return {"studies": 1, "instances": 2}

    def last(self) -> int:
        return 0


@dataclass
class ReadingReceive:
    """Reads each staged file with pydicom and keeps its bytes."""

    folder: Path
    stored: dict[str, bytes] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)
    full: bool = False
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def stage(self) -> Path:
        return self.folder / f"{next(self.numbers)}.part"

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
        if content is not None:
            staged.write_bytes(content)
        done: Future[Outcome] = Future()
        try:
            done.set_result(self._received(staged, study))
        except (Rejected, OutOfResources) as error:
            done.set_exception(error)
        staged.unlink()
        return done

    def takes_in_memory(self, size: int) -> bool:
        return size < 1000

    def complete(self, company: Company) -> None:
        company.to_come = False

    def _received(self, staged: Path, study: str | None) -> Outcome:
        if self.full:
            raise OutOfResources("disk full", retry_after=30)
        try:
            dataset = pydicom.dcmread(staged)
        except Exception:
            raise Rejected("unreadable", reason=0xC000) from None
        if study is not None and dataset.StudyInstanceUID != study:
            raise Rejected(
                "other study",
                reason=STUDY_MISMATCH,
                sop_class=dataset.SOPClassUID,
                sop_instance=dataset.SOPInstanceUID,
            )
        key = InstanceKey(dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        self.stored[key.instance] = staged.read_bytes()
        return Outcome(key, dataset.SOPClassUID, self.fates.get(key.instance, Fate.STORED))


class HerePool:
    """Runs what belongs into a pool process right here."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return work(*args, **kwargs)

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return work(*args, **kwargs)

    def close(self) -> None:
        """Nothing to close."""


def searching(matches: Sequence[bytes] = (), *, remaining: int = 0) -> RecordingSearch:
    return RecordingSearch(Page(tuple(matches), remaining))


def services(
    search: RecordingSearch | None = None, receive: Receiving | None = None, deletion: Deleting | None = None
) -> Services:
    catalog = cast(Catalog, CountingOnly(search or searching()))
    objects = OBJECTS
    shelf = Shelf(catalog, objects)
    return Services(
        catalog=catalog,
        objects=objects,
        shelf=shelf,
        frames=Frames(shelf),
        metadata=Metadata(shelf),
        bulkdata=Bulkdata(shelf),
        search=Search(catalog),
        rendered=Rendered(shelf, HerePool()),
        thumbnails=Thumbnails(Rendered(shelf, HerePool())),
        transcoded=TranscodedForms(Rendered(shelf, HerePool()), Derived(objects.staging() / "derived", 1 << 28)),
        receive=receive or ReadingReceive(Path("/nonexistent")),
        pool=HerePool(),
        deletion=deletion,
    )


def client(
    search: RecordingSearch | None = None,
    *,
    receive: Receiving | None = None,
    deletion: Deleting | None = None,
    options: WebOptions | None = None,
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(services(search, receive, deletion), options=options))
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL)
