"""What is stored, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Derived, Origin, SeriesDocument, Version
from dicomweb_server.model.states import State


@dataclass(frozen=True, slots=True)
class NewVersion:
    """An adopted object about to become the current content of its instance."""

    derived: Derived
    origin: Origin
    version: str
    object_key: str
    over: str | None = None
    """The version it replaces; None means it must be the first. Anything else current loses the race."""


@dataclass(frozen=True, slots=True)
class SeriesProgress:
    """Counts of a series' instances by state, and what completion depends on."""

    key: SeriesKey
    counts: dict[State, int]
    pushed: bool
    """True when any of it was pushed: complete when quiet. Else complete when every announced one is here or failed."""
    last_arrival: float
    """Unix time of the newest stored instance."""
    document: SeriesDocument | None
    """None while it grows: a later instance takes the document away in the storing transaction."""
    revision: int
    """Moves with every change of its instances; the ETag of what is assembled from rows."""
    number: int | None = None
    """Its Series Number."""
    slices: int | None = None
    """How many instances it had when it was last complete."""
    representative: str = ""
    """SOP Instance UID of the image that stands for it; '' where it has none."""


class Holdings(Protocol):
    def current(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, Version]:
        """The current versions of those of ``keys`` that have content here."""

    def store(self, batch: Sequence[NewVersion], *, tickets: Sequence[Ticket] = ()) -> list[bool]:
        """Row, state STORED, metadata, search attributes, counts, change entry and tickets in one transaction.

        One answer per entry: False where another writer got in first (nothing of that entry was written).
        Durable on return.
        """

    def version(self, key: InstanceKey) -> Version:
        """Raises NotFound, Gone (tombstone)."""

    def versions(self, scope: Scope) -> list[Version]:
        """Current versions of a scope, ordered by series number, instance number, UID. Raises NotFound, Gone."""

    def metadata(self, scope: Scope) -> list[bytes]:
        """Metadata JSON of every instance of the scope, in the order of ``versions``. Raises NotFound, Gone."""

    def series_progress(self, key: SeriesKey) -> SeriesProgress:
        """Raises NotFound, Gone."""

    def series_of(self, key: StudyKey) -> list[SeriesProgress]:
        """Raises NotFound, Gone."""

    def delete(self, scope: Scope, *, reason: str, tombstone: bool = True) -> list[str]:
        """Remove the scope, leave tombstones or none, return the object keys that belong to nobody now.

        Raises NotFound, Gone.
        """


class Changes(Protocol):
    def since(self, sequence: int, *, limit: int = 1000) -> list[tuple[int, Scope]]:
        """What changed after ``sequence``, in commit order without gaps."""

    def last(self) -> int:
        """The newest sequence number; 0 when nothing ever changed."""

    def stamp(self) -> int:
        """A number that moves when any other connection has committed: the cheap poll before ``since``."""
