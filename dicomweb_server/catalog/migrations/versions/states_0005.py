"""States of series and studies, and the instance whose picture stands for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for table in ("series", "study"):
        op.add_column(table, sa.Column("state", sa.Integer))
        op.add_column(table, sa.Column("representative", _TEXT, nullable=False, server_default=""))
    op.add_column("series", sa.Column("image_count", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_series_state", "series", ["state"])
