"""Where images come from when they are not here yet: a PACS, another DICOMweb server, a manifest.

All calls block and belong in the threads of a worker. A source describes what it holds without pixels, and hands over
instances on demand; the caller decides what comes first. Errors are BackendFailed (``passing`` where trying again may
help) and NotFound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Query
from dicomweb_server.model.records import DicomJson


class Kind(StrEnum):
    DICOMWEB = "dicomweb"
    PACS = "pacs"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one instance that was asked for.

    ``staged`` is a complete Part 10 file, to be received. None without an error: it came in by the C-STORE door
    (C-MOVE), and the row tells.
    """

    key: InstanceKey
    staged: Path | None = None
    error: DicomwebError | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing ``doctor`` tried: what, whether it works, and what to do where it does not."""

    what: str
    works: bool
    advice: str = ""
    needed: bool = True
    """Whether the source is of no use without it, as it is set up."""


class Source(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        """Studies, series or instances that match, by the source's own search, within a time budget."""

    def series(self, study: str) -> list[DicomJson]:
        """Describe every series of a study. Raises NotFound where the source does not know the study."""

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        """List every instance of a series by at least its UIDs, SOP class and number."""

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        """Full descriptions of a series' instances without pixels, or None where the source cannot give them."""

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        """Bring instances of one series, each reported as soon as it is here or failed, in any order.

        ``stage`` gives a fresh path for each file. Every key is reported exactly once.
        """

    def check(self) -> Iterator[Checked]:
        """Try what this kind of source can do, for ``doctor``."""

    def close(self) -> None: ...
