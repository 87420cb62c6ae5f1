"""What we hold and how far along it is.

All calls block and belong in a thread. Every write is one short transaction. Four parts, one database:
``Holdings`` (what is stored), ``Search`` (QIDO, C-FIND), ``Progress`` (states and completion) and ``Changes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dicomweb_server.model.collections import Collection, ImageRecord, Member, Phase, StudyCounts
from dicomweb_server.model.ids import DEFAULT_TENANT, InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.manifest import Location
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.query import Page, Query
from dicomweb_server.model.records import Derived, DicomJson, Origin, SeriesDocument, Version
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


class Search(Protocol):
    def find(self, query: Query) -> Page:
        """Matches in stable order (Q-42) with all required and asked-for attributes (Q-20 to Q-29)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far along one instance is."""

    key: InstanceKey
    state: State
    here: bool
    """Whether there is content to be served."""
    attempts: int
    reason: str | None
    """Why the last attempt failed."""
    source: str | None
    """Who announced it; None where nobody did."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why instances of a series failed, or have no picture."""

    series: str
    reason: str
    instances: int
    attempts: int
    """The most that one of them took."""


class Progress(Protocol):
    def move(self, key: InstanceKey, to: State, *, only_from: Sequence[State], reason: str | None = None) -> bool:
        """Compare-and-set of an instance's state; False when it was in none of ``only_from``.

        A ticket to reconcile its series goes with it.
        """

    def move_all(self, keys: Sequence[InstanceKey], to: State, *, only_from: Sequence[State]) -> list[bool]:
        """``move`` for each, in one transaction."""

    def fail(self, keys: Sequence[InstanceKey], only_from: Sequence[State], *, reason: str, attempts: int) -> None:
        """Those that are in one of these states are FAILED, for that reason, after so many attempts."""

    def drawn(self, versions: Sequence[Version], reasons: Mapping[InstanceKey, str]) -> list[bool]:
        """What is made of their pixels is made: READY, also what had been given up before.

        ``reasons``: why some have no picture. False where another version is current by now, or none: nothing moved.
        """

    def roll_up(self, key: SeriesKey) -> tuple[State, State] | None:
        """Write down the states of a series and its study by their instances, and what stands for them in pictures.

        The states; None when there is no such series. Done twice it changes nothing.
        """

    def representative(self, scope: Scope) -> InstanceKey | None:
        """The instance whose picture stands for a series or study, as last written down."""

    def settle_series(self, key: SeriesKey, document: SeriesDocument, *, revision: int) -> bool:
        """Record the series' document, its slice count and its completion, once for each ``revision``.

        False when that is no longer the current one, or somebody else was first.
        """

    def standing(self, scope: Scope, *, limit: int = 1000, offset: int = 0) -> list[Standing]:
        """The instances of a scope in the order of ``Holdings.versions``; empty when it is unknown."""

    def in_state(self, state: State, *, limit: int = 100, offset: int = 0) -> list[Standing]:
        """Instances of all studies that are in ``state``, the oldest rows first."""

    def troubles(self, scope: StudyKey | SeriesKey) -> list[Trouble]:
        """By series and reason."""

    def totals(self) -> dict[str, int]:
        """Counts of studies, series, instances, and of instances by state, for status and health."""


class Changes(Protocol):
    def since(self, sequence: int, *, limit: int = 1000) -> list[tuple[int, Scope]]:
        """What changed after ``sequence``, in commit order without gaps."""

    def last(self) -> int:
        """The newest sequence number; 0 when nothing ever changed."""

    def stamp(self) -> int:
        """A number that moves when any other connection has committed: the cheap poll before ``since``."""


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
        """Tickets for all work that the rows say is not done; like ones that wait already are merged by the queue."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A series of which something could come from its source again."""

    key: SeriesKey
    size: int
    """Bytes that its leaving sets free."""
    used: float
    """Unix time of its last view, or of its arrival."""


class Caching(Protocol):
    """Only what a source sent, and can send again, is spoken of here; never what was pushed, never what is pinned."""

    def viewed(self, keys: Sequence[SeriesKey]) -> None:
        """Somebody looks at these series now."""

    def size(self) -> int:
        """Bytes of all that may leave."""

    def oldest(self, *, unused_since: float, limit: int = 100) -> list[Cached]:
        """Series nobody viewed after ``unused_since``, the longest unused first."""

    def pin(self, scope: Scope, *, pinned: bool) -> int:
        """Keep what is in ``scope`` here, or no longer; the number of instances."""

    def evict(self, scope: Scope) -> list[str]:
        """What may leave ``scope`` becomes ANNOUNCED again; the object keys that belong to nobody now."""


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


class Collections(Protocol):
    def create(self, collection: Collection, document: bytes = b"") -> bool:
        """Write a new one down, with the manifest it is made of; False where there is one of this id."""

    def get(self, id: str, tenant: str = DEFAULT_TENANT) -> Collection:
        """Raises NotFound."""

    def document(self, id: str, tenant: str = DEFAULT_TENANT) -> bytes:
        """The manifest it was made of. Raises NotFound."""

    def listed(self, *, limit: int = 100, offset: int = 0, tenant: str = DEFAULT_TENANT) -> list[Collection]:
        """The newest first, without their members."""

    def claim(self, *, seconds: float) -> Collection | None:
        """One that waits to be described, for nobody else for so long; None when there is none."""

    def later(self, id: str, reason: str, *, seconds: float) -> None:
        """Describe it again then."""

    def described(
        self, id: str, members: Sequence[Member], *, reason: str = "", tickets: Sequence[Ticket] = ()
    ) -> bool:
        """All of it is announced: LOADING. False when somebody else was first."""

    def end(self, id: str, phase: Phase, *, reason: str = "") -> bool:
        """READY or FAILED; False when it had ended before."""

    def again(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        """Describe and load it once more, with no attempts on its record; False when it is unknown."""

    def loading(self) -> list[Collection]:
        """Those of which something is on its way."""

    def untold(self) -> list[Collection]:
        """Ended ones of which nobody was told yet."""

    def told(self, id: str) -> None: ...

    def forget(self, id: str, tenant: str = DEFAULT_TENANT) -> bool:
        """The record, not the images; False when it is unknown."""

    def expire(self, *, before: float) -> int:
        """Forget what ended before that Unix time."""

    def counts(self, id: str, tenant: str = DEFAULT_TENANT) -> list[StudyCounts]:
        """Of each study of it, in its order."""

    def images(self, key: SeriesKey) -> list[ImageRecord]:
        """Every image of a series, in its order."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """How far the index of further attributes has come."""

    studies: int
    total: int


class Indexing(Protocol):
    def step(self) -> Indexed | None:
        """Index some more studies; None when all are. Blocks for moments only, and goes on where it was stopped."""


class Catalog(Protocol):
    @property
    def holdings(self) -> Holdings: ...

    @property
    def search(self) -> Search: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def pulling(self) -> Pulling: ...

    @property
    def inventory(self) -> Inventory: ...

    @property
    def caching(self) -> Caching: ...

    @property
    def indexing(self) -> Indexing: ...

    @property
    def mending(self) -> Mending: ...

    @property
    def collections(self) -> Collections: ...

    def close(self) -> None: ...
