"""What was deleted here: it is remembered, so that no source brings it back (E-02). Whoever sends it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import tombstone
from dicomweb_server.model.ids import Scope, SeriesKey, StudyKey, uids

Grave = tuple[str, str]
"""UIDs of a series and an instance; empty where it is one of the whole series or study."""

_OF_STUDY = (tombstone.c.tenant == bindparam("t"), tombstone.c.study_uid == bindparam("s"))
_GRAVES = sa.select(tombstone.c.series_uid, tombstone.c.instance_uid).where(*_OF_STUDY)
_OF_STUDIES = sa.select(tombstone.c.study_uid, tombstone.c.series_uid, tombstone.c.instance_uid).where(
    tombstone.c.tenant == bindparam("t"), tombstone.c.study_uid.in_(bindparam("studies", expanding=True))
)
_CHUNK = 500
_FORGET_STUDY = sa.delete(tombstone).where(*_OF_STUDY)


@dataclass(frozen=True, slots=True)
class Graves:
    """Those of one study."""

    dug: frozenset[Grave]

    @property
    def whole(self) -> bool:
        """Whether all of the study was deleted, and nobody sent any of it since."""
        return ("", "") in self.dug

    def holds(self, series_uid: str, instance_uid: str = "") -> bool:
        return not self.dug.isdisjoint({("", ""), (series_uid, ""), (series_uid, instance_uid)})


def graves_of(connection: Connection, key: StudyKey) -> Graves:
    found = connection.execute(_GRAVES, {"t": key.tenant, "s": key.study})
    return Graves(frozenset((series_uid, instance_uid) for series_uid, instance_uid in found))


def deleted(connection: Connection, scopes: Sequence[Scope]) -> set[Scope]:
    """Those of ``scopes``, all of one tenant, that were: they or what they lie in."""
    dug: defaultdict[str, set[Grave]] = defaultdict(set)
    studies = sorted({scope.study for scope in scopes})
    for start in range(0, len(studies), _CHUNK):
        names = {"t": scopes[0].tenant, "studies": studies[start : start + _CHUNK]}
        for study, series_uid, instance_uid in connection.execute(_OF_STUDIES, names):
            dug[study].add((series_uid, instance_uid))
    graves = {study: Graves(frozenset(found)) for study, found in dug.items()}
    return {scope for scope in scopes if scope.study in graves and graves[scope.study].holds(*uids(scope)[1:])}


def bury(
    connection: Connection, dialect: Dialect, key: StudyKey, graves: Collection[Grave], *, reason: str, now: float
) -> None:
    put = dialect.insert(tombstone)
    statement = put.on_conflict_do_update(
        index_elements=["tenant", "study_uid", "series_uid", "instance_uid"],
        set_={"reason": put.excluded.reason, "deleted": put.excluded.deleted},
    )
    common = {"tenant": key.tenant, "study_uid": key.study, "reason": reason, "deleted": now}
    rows = [{**common, "series_uid": series, "instance_uid": instance} for series, instance in sorted(graves)]
    connection.execute(statement, rows)


class Revive:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        series_uid, instance_uid = tombstone.c.series_uid, tombstone.c.instance_uid
        here = (series_uid.in_(["", bindparam("e")]), dialect.among(instance_uid, bindparam("i")))
        self._revive = dialect.prepared(sa.delete(tombstone).where(*_OF_STUDY, *here))

    def __call__(self, connection: Connection, key: SeriesKey, instances: Collection[str]) -> None:
        """``instances`` were sent anew: they, their series and their study are here again."""
        here = self._dialect.listed(["", *instances])
        self._revive(connection, {"t": key.tenant, "s": key.study, "e": key.series, "i": here})


def forget(connection: Connection, key: StudyKey) -> int:
    """Nothing of the study counts as deleted any more."""
    return connection.execute(_FORGET_STUDY, {"t": key.tenant, "s": key.study}).rowcount
