"""Values below a study that it is found by: its modalities and SOP classes, the words of its names (``spelling``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from dicomweb_server.catalog import spelling, summaries
from dicomweb_server.catalog.attributes import INDEXED, MODALITIES, SOP_CLASSES, Sort
from dicomweb_server.catalog.dialects import Dialect
from dicomweb_server.catalog.folding import column
from dicomweb_server.catalog.schema import instance, series, study_value

NAMES = {tag: indexed.column for tag, indexed in INDEXED.items() if indexed.sort is Sort.NAME}
_SHOWN = (MODALITIES, SOP_CLASSES)
_V = study_value.c
_ATTRIBUTES = sa.select(series.c.attributes).where(series.c.study_id == bindparam("id"))
_CLASSES = sa.select(instance.c.sop_class).distinct().join(series).where(series.c.study_id == bindparam("id"))


class StudyValues:
    def __init__(self, dialect: Dialect) -> None:
        self._new = dialect.prepared(dialect.insert(study_value).on_conflict_do_nothing())
        mine = _V.study_id == bindparam("id")
        shown = sa.select(_V.tag, _V.value).where(mine, sa.or_(*(_V.tag == tag for tag in _SHOWN)))
        self._shown = dialect.prepared(shown.order_by(_V.tag, _V.value))
        self._forget_shown = sa.delete(study_value).where(mine, _V.tag.in_(_SHOWN))
        self._forget_words = sa.delete(study_value).where(mine, _V.tag.in_(tuple(NAMES)))

    def shown(self, connection: Connection, study_id: int) -> dict[int, list[str]]:
        """What search returns as ModalitiesInStudy and SOPClassesInStudy."""
        values: dict[int, list[str]] = {}
        for tag, value in self._shown(connection, {"id": study_id}):
            values.setdefault(tag, []).append(value)
        return values

    def add(
        self, connection: Connection, study_id: int | None, modalities: Iterable[str], sop_classes: Iterable[str]
    ) -> None:
        rows = [{"tag": MODALITIES, "value": column(value)} for value in sorted(modalities)]
        rows += [{"tag": SOP_CLASSES, "value": column(value)} for value in sorted(sop_classes)]
        if rows:
            self._new.many(connection, [{"study_id": study_id, **row} for row in rows])

    def recount(self, connection: Connection, study_id: int) -> None:
        """What its series and instances have by now, in place of what there was."""
        of_series = [orjson.loads(text) for text in connection.execute(_ATTRIBUTES, {"id": study_id}).scalars()]
        modalities = {text for attributes in of_series for text in summaries.texts(attributes.get("00080060"))}
        sop_classes = connection.execute(_CLASSES, {"id": study_id}).scalars().all()
        connection.execute(self._forget_shown, {"id": study_id})
        self.add(connection, study_id, modalities, sop_classes)

    def write_names(self, connection: Connection, study_id: int, columns: Mapping[str, Any]) -> None:
        """The words of the names in ``columns``, in place of those there were."""
        connection.execute(self._forget_words, {"id": study_id})
        rows = [
            {"study_id": study_id, "tag": tag, "value": word}
            for tag, name in NAMES.items()
            for word in sorted(spelling.kept(columns[name]))
        ]
        if rows:
            self._new.many(connection, rows)
