"""What an operator and the sweep compare and mend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Derived


@dataclass(frozen=True, slots=True)
class HeldObject:
    """An object that the catalog names, and what it must be."""

    key: InstanceKey
    object_key: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """The document that the catalog names for a series."""

    key: SeriesKey
    object_key: str


class Inventory(Protocol):
    def objects(self, study: StudyKey | None = None) -> Iterator[HeldObject]:
        """Every object of every instance, or those of one study, read page by page."""

    def documents(self, study: StudyKey | None = None) -> Iterator[HeldDocument]:
        """The document of every series that has one, or those of one study, read page by page."""

    def unfinished(self) -> list[Ticket]:
        """Tickets for all work that the rows say is not done, but those of which one waits in this database."""


@dataclass(frozen=True, slots=True)
class Reread:
    """What was read again from the file of a version."""

    version: str
    derived: Derived


@dataclass(frozen=True, slots=True)
class Due:
    """What is still to be done of an instance."""

    at: float | None
    """Unix time from which it may be taken, 0 for at once; None while somebody is at it."""
    attempts: int
    reason: str | None
    """Why the last attempt failed."""


class Mending(Protocol):
    """What an operator and the sweep may do to what is stuck, lost or out of date."""

    def studies(self) -> list[StudyKey]:
        """Every study, the oldest row first."""

    def rederive(self, key: StudyKey, found: Sequence[Reread]) -> int:
        """Write what was read again from the files of a study over what is known; how much work follows.

        What was replaced or has left meanwhile is passed over.
        """

    def lose(self, key: InstanceKey, object_key: str, *, reason: str) -> bool:
        """An object is gone for good: FAILED for that reason, and nothing of the instance is here, when it was the
        current one. False when the instance has another one."""

    def forget_document(self, key: SeriesKey, object_key: str) -> bool:
        """A document is gone: it is written anew. False when the series has another one by now."""

    def cancel(self, scope: Scope) -> int:
        """What is queued and not being fetched is only announced again; how many instances."""

    def retry(self, scope: Scope) -> int:
        """What failed is worked on once more, with no attempts on its record; how many instances."""

    def due(self, scope: Scope) -> dict[InstanceKey, Due]:
        """What is still to be done of the instances of ``scope``."""

    def next_due(self, key: StudyKey) -> dict[str, float]:
        """When the first ticket of a series or of its instances may be taken, by Series Instance UID."""

    def take_lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Whether ``holder`` alone may do ``name`` for so long. Whoever has it may take it again."""

    def forget_tombstones(self, *, before: float) -> int:
        """What was deleted before that Unix time is not remembered any more."""

    def stuck(self, *, before: float, limit: int = 100) -> list[SeriesKey]:
        """Series with instances on their way to which nothing came since that Unix time."""
