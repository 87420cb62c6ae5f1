"""Which series of an opened study are worth loading before anybody asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Load(StrEnum):
    FIRST = "first"
    """Right behind the series that is looked at."""
    NORMAL = "normal"
    ASKED = "asked"
    """Only when somebody asks for one of its images."""


@dataclass(frozen=True, slots=True)
class SeriesTraits:
    modality: str = ""
    description: str = ""
    instances: int = 0
    position: int = 1
    """Of its study among those of the patient, the newest being 1."""


@dataclass(frozen=True, slots=True)
class LoadRule:
    """Holds for the series that have everything it names; what is empty or 0 is not asked."""

    load: Load
    modality: str = ""
    description: str = ""
    """With ``*`` and ``?``, upper and lower case alike."""
    min_instances: int = 0
    max_instances: int = 0
    newest: int = 0

    def holds_for(self, series: SeriesTraits) -> bool:
        return (
            self.modality in ("", series.modality)
            and fnmatchcase(series.description.lower(), self.description.lower() or "*")
            and series.instances >= self.min_instances
            and (not self.max_instances or series.instances <= self.max_instances)
            and (not self.newest or series.position <= self.newest)
        )


def load_of(series: SeriesTraits, rules: Sequence[LoadRule]) -> Load:
    """By the first rule that holds; normal where none does."""
    return next((rule.load for rule in rules if rule.holds_for(series)), Load.NORMAL)
