"""Collections: what was asked for, and how far along it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("action", "phase", "reason"):
        op.add_column("collection", sa.Column(name, _TEXT, nullable=False, server_default=""))
    op.add_column("collection", sa.Column("request", sa.LargeBinary))
    op.add_column("collection", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))
    op.add_column("collection", sa.Column("due", sa.Float, nullable=False, server_default="0"))
    op.add_column("collection", sa.Column("ended", sa.Float))
    op.add_column("collection", sa.Column("told", sa.Float))
    op.add_column("collection", sa.Column("eager", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_collection_phase", "collection", ["phase"])
