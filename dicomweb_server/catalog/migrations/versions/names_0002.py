"""The words of names and their sounds, for fuzzy matching, of the studies that are already there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dicomweb_server.catalog.dialects import dialect_of
from dicomweb_server.catalog.study_values import NAMES, StudyValues

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CHUNK = 1000


def upgrade() -> None:
    connection = op.get_bind()
    values = StudyValues(dialect_of(f"{connection.dialect.name}:")[0])
    names = ", ".join(NAMES.values())
    some = sa.text(f"SELECT id, {names} FROM study WHERE id > :last ORDER BY id LIMIT {_CHUNK}")
    last = 0
    while rows := connection.execute(some, {"last": last}).all():
        for row in rows:
            values.write_names(connection, row.id, row._asdict())
        last = rows[-1].id
