"""A search, as the catalog understands it: parsed, checked, independent of HTTP and DIMSE."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomweb_server.model.ids import DEFAULT_TENANT


class Level(StrEnum):
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


class Match(StrEnum):
    """How a key's values are to be compared (PS3.4 C.2.2.2)."""

    UNIVERSAL = "universal"
    """Matches all, also a missing value; asks the attribute back."""
    SINGLE = "single"
    LIST = "list"
    """Any of the values: UID lists, and several values of ModalitiesInStudy (Q-15)."""
    WILDCARD = "wildcard"
    RANGE = "range"
    """Two values, inclusive; an empty one is open."""
    FUZZY = "fuzzy"
    """Person name by words that are spelled or sound alike, in any order (Q-12)."""
    ALL = "all"
    """Every value must be there (multiple value matching, Q-14)."""
    EMPTY = "empty"
    """Missing or zero-length (empty value matching, Q-13)."""


Path = tuple[int, ...]
"""Tags from the outermost sequence to the attribute: (0x00400275, 0x00400009)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key."""

    path: Path
    vr: str
    match: Match
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """A date key and its time key, both ranges, meant as one interval (Q-07, PS3.18 8.3.4.1.1).

    ``first`` and ``last`` are ``YYYYMMDDHHMMSS.FFFFFF`` texts or None where open.
    """

    date: int
    time: int
    first: str | None
    last: str | None


@dataclass(frozen=True, slots=True)
class Query:
    level: Level
    study: str | None = None
    """Study Instance UID from the path (hierarchical targets)."""
    series: str | None = None
    keys: tuple[Key, ...] = ()
    intervals: tuple[DateTimeRange, ...] = ()
    include: frozenset[Path] = frozenset()
    include_all: bool = False
    limit: int = 1000
    offset: int = 0
    relational: bool = False
    """True for /series, /instances and /studies/{s}/instances: attributes of the levels above come along (Q-24)."""
    empty_matches_any: bool = False
    """Whether a required attribute without a stored value matches whatever is asked of it (PS3.4 C.2.2.1.2)."""
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Page:
    """Matches in stable order (Q-42), each one data set as JSON bytes with ``BASE`` in its Retrieve URL."""

    matches: tuple[bytes, ...]
    remaining: int
    """How many more there are beyond this page (Q-41)."""
    warnings: tuple[str, ...] = ()
