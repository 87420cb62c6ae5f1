"""What becomes of an arrival, given what is here already. Pure: a table of cases (S-15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicomweb_server.model.records import Derived, Fate, Version


class Policy(StrEnum):
    """What to do when other content comes under the UIDs of what is stored."""

    KEEP_FIRST = "keep-first"
    """The first stays; the sender of the second is told so."""
    REPLACE = "replace"
    """The second becomes the current version."""
    REFUSE = "refuse"
    """The first stays; the second is refused as a duplicate."""


@dataclass(frozen=True, slots=True)
class Store:
    """Adopt it, and make it current over version ``over``, or as the first."""

    fate: Fate
    over: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is stored."""

    fate: Fate


@dataclass(frozen=True, slots=True)
class Keep:
    """It is stored already: it meets itself, since a transaction that failed was written nevertheless."""

    fate: Fate


@dataclass(frozen=True, slots=True)
class Compare:
    """The digests differ, yet the content may be the same in another encoding: compare it with this version."""

    version: Version


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of a comparison, as long as ``version`` is the current one."""

    version: str
    same: bool


Decision = Store | Drop | Keep | Compare


def decide(
    policy: Policy, arriving: Derived, version: str, current: Version | None, compared: Compared | None
) -> Decision:
    """What to do with ``arriving``, to become ``version``. Same content is no conflict, whatever the policy."""
    if current is None:
        return Store(Fate.STORED)
    if current.version == version:
        return Keep(Fate.STORED)
    if current.digest == arriving.digest and current.transfer_syntax == arriving.transfer_syntax:
        return Drop(Fate.SAME)
    if compared is None or compared.version != current.version:
        return Compare(current)
    if compared.same:
        return Drop(Fate.SAME)
    match policy:
        case Policy.KEEP_FIRST:
            return Drop(Fate.KEPT_FIRST)
        case Policy.REFUSE:
            return Drop(Fate.REFUSED)
        case Policy.REPLACE:
            return Store(Fate.REPLACED, over=current.version)
