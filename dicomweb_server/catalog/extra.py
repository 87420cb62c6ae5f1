"""Attributes that a site wants found quickly: their values beside each study, so that a search examines few.

The index names the studies that may match, and those are examined: a value that has left a study costs time, never
truth. It is used once it covers every study (``indexing``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import folding
from dicomweb_server.catalog.attributes import INDEXED
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.schema import search_index, study_value
from dicomweb_server.catalog.summaries import texts
from dicomweb_server.model.query import Key, Match, Path
from dicomweb_server.model.records import DicomJson

_TEXT = frozenset({"AE", "AS", "CS", "LO", "LT", "SH", "ST", "UC", "UI"})
_NUMBERS = frozenset({"IS", "DS", "US", "UL", "SS", "SL", "FL", "FD"})
VRS = _TEXT | _NUMBERS | {"DA"}
"""Names, times and what is compared in other ways than by being equal have no place in the index."""

_CODES = 0x3FFFFFFF
_V = study_value.c
_COVERED = sa.select(search_index.c.code).where(search_index.c.covered)


@dataclass(frozen=True, slots=True)
class Attribute:
    path: Path
    vr: str
    name: str

    @property
    def code(self) -> int:
        """Stands for the path in the index; below zero, where no tag is. Two paths of one code cost time only."""
        return -1 - (zlib.crc32(self.name.encode()) & _CODES)

    def values(self, data_set: DicomJson) -> Iterator[str]:
        """Every value of the attribute in a data set, in whatever item, as it is compared."""
        found = [data_set]
        for tag in self.path[:-1]:
            items = [item for each in found for item in each.get(f"{tag:08X}", {}).get("Value") or ()]
            found = [item for item in items if isinstance(item, dict)]
        for each in found:
            for text in texts(each.get(f"{self.path[-1]:08X}")):
                yield compared(text, self.vr)


def attribute(name: str) -> Attribute:
    """By keyword or tag, with dots for what lies in sequences. Raises ValueError for what cannot be indexed so."""
    tags = [tag_for_keyword(part) or _tag(part) for part in name.split(".")]
    if not all(tag is not None and keyword_for_tag(tag) for tag in tags):
        raise ValueError(f"{name} is no attribute of the standard")
    path = tuple(int(tag) for tag in tags if tag is not None)
    vrs = [dictionary_VR(tag).split(" ")[0] for tag in path]
    if any(vr != "SQ" for vr in vrs[:-1]) or vrs[-1] not in VRS:
        raise ValueError(f"{name} cannot be indexed: only what is compared as text, number or date")
    if len(path) == 1 and path[0] in INDEXED:
        raise ValueError(f"{name} is indexed anyway")
    return Attribute(path, vrs[-1], ".".join(f"{tag:08X}" for tag in path))


def compared(text: str, vr: str) -> str:
    """One spelling for all that are equal."""
    if vr == "DA":
        return folding.date(text)
    if vr in _NUMBERS:
        try:
            return repr(float(text))
        except ValueError:
            return ""
    return folding.column(text.strip(" "))


class ExtraIndex:
    def __init__(self, dialect: Dialect, attributes: Sequence[Attribute] = ()) -> None:
        self.attributes = tuple(attributes)
        self._by_path = {each.path: each for each in self.attributes}
        self._new = dialect.insert(study_value).on_conflict_do_nothing()
        self._having = (
            sa.select(_V.study_id)
            .distinct()
            .where(_V.tag == bindparam("tag"), _V.value.in_(bindparam("values", expanding=True)))
            .limit(bindparam("most"))
        )

    def add(self, connection: Connection, study_id: int | None, data_sets: Iterable[DicomJson]) -> None:
        """Note the values of ``data_sets`` with their study."""
        if not self.attributes:
            return
        found = {
            (each.code, value) for data_set in data_sets for each in self.attributes for value in each.values(data_set)
        }
        rows = [{"study_id": study_id, "tag": code, "value": value} for code, value in sorted(found) if value]
        if rows:
            connection.execute(self._new, rows)

    def candidates(self, connection: Connection, keys: Sequence[Key], *, most: int) -> list[int] | None:
        """Studies that alone may match, by the first of ``keys`` that the index answers; None when none does."""
        asked = [(each, key) for key in keys if (each := self._by_path.get(key.path)) and _is_equality(key)]
        if not asked:
            return None
        covered = set(connection.execute(_COVERED).scalars())
        for each, key in asked:
            values = [compared(value, each.vr) for value in key.values]
            if each.code not in covered or "" in values:
                continue
            bound = {"tag": each.code, "values": values, "most": most + 1}
            found = list(connection.execute(self._having, bound).scalars())
            if len(found) <= most:
                return found
        return None


def _is_equality(key: Key) -> bool:
    return key.match in (Match.SINGLE, Match.LIST)


def _tag(text: str) -> int | None:
    return int(text, 16) if len(text) == 8 and all(c in "0123456789abcdefABCDEF" for c in text) else None
