"""States and completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.records import SeriesDocument, Version
from dicomweb_server.model.states import State


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
