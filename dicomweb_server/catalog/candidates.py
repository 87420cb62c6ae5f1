"""The few studies that alone can match a search: from indexes of substrings, of words, of values below a study."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import conditions, spelling
from dicomweb_server.catalog.attributes import INDEXED, REQUIRED_KEYS, Sort
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.extra import ExtraIndex
from dicomweb_server.catalog.schema import TEXT_COLUMNS, study, study_value
from dicomweb_server.model.query import Key, Match, Query

CANDIDATES = 10_000
"""The most candidates that are looked at one by one."""

_SELECTIVE = frozenset({0x0020000D, 0x00100020, 0x00080050})
"""Keys whose own index leaves next to nothing to sort."""

_NAME = 0x00100010
"""Stands in the index of the newest studies, so that walking them looks nowhere else."""

_WALKED = 12
"""Entries of that index that are walked in the time of one candidate."""

_NEWEST_ID = sa.select(sa.func.max(study.c.id))

_V = study_value.c
_WITH_TAG = sa.select(_V.study_id).distinct().where(_V.tag == bindparam("tag")).limit(bindparam("most"))
_HAVING = _WITH_TAG.where(_V.value.in_(bindparam("values", expanding=True)))
_BEGINNING = _WITH_TAG.where(_V.value >= bindparam("first"), _V.value < bindparam("end"))


def leaves_few(keys: Sequence[Key]) -> bool:
    """Whether one of ``keys`` has an index of its own that leaves next to nothing."""
    return any(key.match in (Match.SINGLE, Match.LIST) and key.path[0] in _SELECTIVE for key in keys)


class Candidates:
    def __init__(self, dialect: Dialect, extra: ExtraIndex) -> None:
        self._dialect = dialect
        self._extra = extra
        self._containing = {column: dialect.containing(column) for column in TEXT_COLUMNS}

    def __call__(
        self, connection: Connection, query: Query, keys: Sequence[Key], others: Sequence[Key]
    ) -> list[int] | None:
        """Studies that alone may match, by the first key that names few enough; None when none does.

        ``others`` have no column.
        """
        if query.empty_matches_any:
            keys = [key for key in keys if key.path[0] not in REQUIRED_KEYS]
        if query.study is not None or leaves_few(keys):
            return None
        studies = None
        for key in keys:
            if not _has_candidates(key):
                continue
            if studies is None:
                studies = connection.execute(_NEWEST_ID).scalar() or 0
            found = self._studies_of(connection, key, most=_worthwhile(query, key, studies))
            if found is not None:
                return found
        return self._extra.candidates(connection, others, most=CANDIDATES)

    def _studies_of(self, connection: Connection, key: Key, *, most: int) -> list[int] | None:
        indexed = INDEXED[key.path[0]]
        if key.match is Match.FUZZY:
            return _with_words(connection, key, most=most)
        if indexed.sort is Sort.SET:
            bound = {"tag": key.path[0], "values": list(key.values), "most": most + 1}
            found = list(connection.execute(_HAVING, bound).scalars())
        else:
            runs = self._dialect.runs(indexed.column, conditions.runs(key))
            bound = {"runs": runs, "most": most + 1}
            found = list(connection.execute(self._containing[indexed.column], bound).scalars())
        return found if len(found) <= most else None


def _with_words(connection: Connection, key: Key, *, most: int) -> list[int] | None:
    """Studies whose name has all of the words of ``key`` that are rare enough to list."""
    lists = []
    for word in spelling.asked(key.values[0]):
        bound = {"tag": key.path[0], "most": most + 1}
        found = set(connection.execute(_BEGINNING, {**bound, "first": word.first, "end": word.end}).scalars())
        if word.sound:
            found |= set(connection.execute(_HAVING, {**bound, "values": [word.sound]}).scalars())
        if len(found) <= most:
            lists.append(found)
    return sorted(set.intersection(*lists)) if lists else None


def _worthwhile(query: Query, key: Key, studies: int) -> int:
    """How many candidates cost as much as walking the newest studies: of n studies, n / candidates fill a line."""
    in_index = key.path[0] == _NAME and key.match is not Match.FUZZY
    walked = (query.offset + query.limit) * studies // (_WALKED if in_index else 1)
    return min(CANDIDATES, math.isqrt(walked) + 1)


def _has_candidates(key: Key) -> bool:
    """Whether the index of substrings or of values below the study can answer ``key``."""
    indexed = INDEXED.get(key.path[0])
    if indexed is None:
        return False
    if indexed.sort is Sort.SET:
        return key.match in (Match.SINGLE, Match.LIST)
    if key.match is Match.FUZZY:
        return bool(spelling.asked(key.values[0]))
    is_text = key.match is Match.WILDCARD or (indexed.sort is Sort.NAME and key.match is Match.SINGLE)
    return is_text and indexed.column in TEXT_COLUMNS and bool(conditions.runs(key))
