"""Names of studies, series, instances and patients: checked once, then carried as keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicomweb_server.model.errors import BadRequest

_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)

DEFAULT_TENANT = "default"


def is_uid(text: str) -> bool:
    """Whether ``text`` may be used as a UID: digits and dots, at most 64.

    Leading zeros and empty components occur in stored data and are harmless, so they pass (PS3.5 9.1, C-06).
    A text of dots alone does not: it would be a path.
    """
    return _UID.fullmatch(text) is not None and text.strip(".") != ""


def uid(text: str, what: str = "UID") -> str:
    """Return ``text`` when it is a usable UID. Raises BadRequest naming ``what``."""
    if not is_uid(text):
        raise BadRequest(f"not a {what}: {text[:80]!r}")
    return text


@dataclass(frozen=True, slots=True, order=True)
class StudyKey:
    study: str
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    study: str
    series: str
    tenant: str = DEFAULT_TENANT

    @property
    def of_study(self) -> StudyKey:
        return StudyKey(self.study, self.tenant)


@dataclass(frozen=True, slots=True, order=True)
class InstanceKey:
    """One instance in its place: the same SOP Instance UID in two studies is two instances."""

    study: str
    series: str
    instance: str
    tenant: str = DEFAULT_TENANT

    @property
    def of_series(self) -> SeriesKey:
        return SeriesKey(self.study, self.series, self.tenant)

    @property
    def of_study(self) -> StudyKey:
        return StudyKey(self.study, self.tenant)


Scope = StudyKey | SeriesKey | InstanceKey
"""A subtree of what the server holds."""


def uids(key: Scope) -> tuple[str, str, str]:
    """Study, series and instance UID, '' below the level of ``key``."""
    if isinstance(key, InstanceKey):
        return key.study, key.series, key.instance
    if isinstance(key, SeriesKey):
        return key.study, key.series, ""
    return key.study, "", ""
