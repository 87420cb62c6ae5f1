"""Tells a person that something needs one: a dead letter, a source that is down, a disk nearly full, a series stuck.

A notice names what, where and why, and never a patient. Sending blocks and belongs in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Subject(StrEnum):
    DEAD_LETTER = "dead-letter"
    SOURCE_DOWN = "source-down"
    SOURCE_BACK = "source-back"
    DISK_NEARLY_FULL = "disk-nearly-full"
    SERIES_STUCK = "series-stuck"
    COLLECTION_READY = "collection-ready"
    COLLECTION_FAILED = "collection-failed"


@dataclass(frozen=True, slots=True)
class Notice:
    subject: Subject
    about: str
    """What it is about: a UID, the name of a source, a folder."""
    text: str
    """One sentence a person can act on."""
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


class Notices(Protocol):
    def send(self, notice: Notice) -> None:
        """Deliver it, or raise BackendFailed."""
