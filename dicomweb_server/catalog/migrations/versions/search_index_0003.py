"""Which further attributes are indexed, and how far that has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_index",
        sa.Column("code", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("upto", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("covered", sa.Boolean, nullable=False, server_default=sa.false()),
    )
