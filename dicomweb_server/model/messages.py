"""Tickets: hints that something waits to be done. They name things and never carry data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey


class Kind(StrEnum):
    PREPROCESS = "preprocess"
    """Draw what needs the pixels of one instance."""
    RECONCILE = "reconcile"
    """Look whether a series is complete, and write its documents."""
    CACHE_SERIES = "cache-series"
    """List a series at its source and queue its instances."""
    FETCH = "fetch"
    """Bring one instance here."""
    REINDEX = "reindex"
    """Derive everything of a study anew from its files."""


class Band(StrEnum):
    """Priority bands, highest first (design: a viewer is waiting ... thumbnails and re-derivation)."""

    WAITING = "0-waiting"
    SERIES = "1-series"
    STUDY = "2-study"
    EAGER = "3-eager"
    DERIVED = "4-derived"


@dataclass(frozen=True, slots=True)
class Ticket:
    """(kind, key) and when it may first be taken; the row it points to is the truth."""

    kind: Kind
    key: InstanceKey | SeriesKey | StudyKey
    band: Band = Band.DERIVED
    not_before: float = 0.0
    """Unix time in seconds; 0 for at once."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A ticket taken by a worker until ``until``; ``attempt`` counts from 1."""

    id: int | str
    ticket: Ticket
    attempt: int
    until: float
