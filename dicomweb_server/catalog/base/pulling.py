"""What sources announced, and how far along fetching it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.manifest import Location
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.states import State


@dataclass(frozen=True, slots=True)
class AnnouncedSeries:
    """A series as its source describes it, and the instances listed there."""

    key: SeriesKey
    attributes: DicomJson
    instances: Sequence[DicomJson]
    locations: Mapping[str, Location] = field(default_factory=dict)
    """Where a manifest says that content lies, by SOP Instance UID."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An instance that is known and not here."""

    key: InstanceKey
    state: State
    source: str
    """Name of the source that announced it; '' where nobody did."""
    reason: str | None = None
    """Why it failed last."""


class Pulling(Protocol):
    def announce(self, key: StudyKey, source: str, attributes: DicomJson, found: Sequence[AnnouncedSeries]) -> None:
        """Record what a source holds of a study; what is known already stays as it is, and what was deleted here is
        left out. Raises Gone where all of it was."""

    def deleted(self, scopes: Sequence[Scope]) -> set[Scope]:
        """Those, all of one tenant, that were deleted here, they or what they lie in: no source brings them back."""

    def revive(self, key: StudyKey) -> bool:
        """Forget that any of the study was deleted here; whether any was."""

    def missing(self, scope: Scope) -> list[Missing]:
        """What is announced of ``scope`` and not here, in the order of ``Holdings.versions``; empty when unknown."""

    def announced_by(self, key: StudyKey) -> str | None:
        """The source that announced some of the study, or None."""

    def locations(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, Location]:
        """Where the content of instances of one series lies, of those that a manifest named."""

    def held_from(self, key: StudyKey, source: str) -> list[InstanceKey]:
        """Instances that are announced by, or came from, that source alone, and are not pinned."""

    def want(self, tickets: Sequence[Ticket]) -> None:
        """Queue announced instances and their tickets in one transaction; higher bands win."""

    def claim(self, keys: Sequence[InstanceKey]) -> dict[InstanceKey, str | None]:
        """Compare-and-set to FETCHING. The source of each claimed one; None where another worker is at it.

        What is left out is here already or no longer wanted.
        """

    def failed(self, key: InstanceKey, *, reason: str, final: bool, attempts: int) -> State | None:
        """Back to QUEUED, or FAILED when ``final`` or tried ``attempts`` times. None when it arrived meanwhile."""

    def put_off(self, key: InstanceKey, *, reason: str) -> None:
        """Back to QUEUED, at the cost of no attempt: it was no fault of the instance or its source."""

    def open_pull(self, key: SeriesKey, *, source: str, destination: str) -> int:
        """Write down a C-MOVE before it is sent; its message id, 1 to 65535."""

    def close_pull(self, message_id: int) -> None: ...

    def pulled_by(self, message_id: int, *, destination: str, study_uid: str) -> str | None:
        """The source of the newest pull with this message id, or None."""
