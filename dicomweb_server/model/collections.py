"""A collection: studies that belong together, such as all time points of a patient, and how far along they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dicomweb_server.model.ids import DEFAULT_TENANT
from dicomweb_server.model.states import State


class Action(StrEnum):
    """What becomes of a collection once it is described."""

    STORE = "store"
    """Everything is fetched."""
    ANNOUNCE = "announce"
    """It can be searched; pixels come when somebody asks for them."""
    PURGE = "purge"
    """What its sources can send again leaves the cache."""


class Phase(StrEnum):
    REQUESTED = "requested"
    """Its studies are being looked for and described."""
    LOADING = "loading"
    """All of it is described, and what was wanted of it is on its way."""
    READY = "ready"
    FAILED = "failed"
    """It could not be described, or nothing of it could be fetched."""
    CANCELLED = "cancelled"


ENDED = frozenset({Phase.READY, Phase.FAILED, Phase.CANCELLED})


@dataclass(frozen=True, slots=True)
class Member:
    """A study of a collection."""

    study: str
    time_point: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Collection:
    id: str
    """A name that cannot be guessed."""
    action: Action
    phase: Phase
    request: Mapping[str, Any]
    """As it was asked for: ``patient``, ``studies``, ``manifest`` or ``manifest_url``; ``notify``."""
    requested: float
    """Unix time."""
    reason: str = ""
    """Why it failed, or what was passed over."""
    attempts: int = 0
    ended: float | None = None
    eager: bool = False
    """Nobody waits for it: a submission."""
    members: tuple[Member, ...] = ()
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class StudyCounts:
    """How far along a study of a collection is."""

    member: Member
    series: int
    counts: Mapping[State, int] = field(default_factory=dict)
    """Instances by state."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image of a series, as whoever shows it needs to know of it."""

    instance: str
    number: int | None
    """Instance Number."""
    state: State
    here: bool
    frames: int | None
    """How many, once it is here; None before, and for what has no pixels."""
    reason: str | None = None
