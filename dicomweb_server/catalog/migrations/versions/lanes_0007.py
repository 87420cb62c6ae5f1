"""Tickets of each kind lie in their order: whoever takes some of one kind need not look at all that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LANES = {
    "ix_ticket_next": (["kind", "band", "turn", "id", "not_before"], "worker IS NULL AND died IS NULL"),
    "ix_ticket_turn": (["kind", "band", "tenant", "study_uid", "turn"], "died IS NULL"),
}


def upgrade() -> None:
    for name, (columns, where) in _LANES.items():
        op.drop_index(name, "ticket")
        op.create_index(name, "ticket", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
