"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TRIGRAMS_OFFERED = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
"""Without the extension everything works, but substrings are searched row by row."""

SEARCHED = (
    "patient_name",
    "patient_id_text",
    "accession_number",
    "study_description",
    "referring_physician",
    "study_id_text",
)


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


WAITING = where("worker IS NULL AND died IS NULL")
ALIVE = where("died IS NULL")
LEASED = where("worker IS NOT NULL")
DEAD = where("died IS NOT NULL")


def upgrade() -> None:
    create_tables()
    op.execute("INSERT INTO counter (name, value) VALUES ('change', 0)")
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            f"CREATE VIRTUAL TABLE study_text USING fts5({', '.join(SEARCHED)}, tokenize='trigram', detail='full')"
        )
    elif op.get_bind().execute(sa.text(TRIGRAMS_OFFERED)).scalar():
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        for name in SEARCHED:
            op.execute(f"CREATE INDEX ix_study_trigram_{name} ON study USING gin ({name} gin_trgm_ops)")


def create_tables() -> None:
    op.create_table(
        "change",
        sa.Column("sequence", RowId, autoincrement=False, nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("study_uid", Text, server_default="", nullable=False),
        sa.Column("series_uid", Text, server_default="", nullable=False),
        sa.Column("instance_uid", Text, server_default="", nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_change")),
    )
    op.create_table(
        "collection",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("name", Text, server_default="", nullable=False),
        sa.Column("source", Text, server_default="", nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("requested", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_collection_tenant_name")),
    )
    op.create_table(
        "counter",
        sa.Column("name", Text, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "patient",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("issuer", Text, server_default="", nullable=False),
        sa.Column("patient_id", Text, server_default="", nullable=False),
        sa.Column("patient_name", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint("tenant", "issuer", "patient_id", name=op.f("uq_patient_tenant_issuer_patient_id")),
    )
    op.create_table(
        "pull",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("source", Text, server_default="", nullable=False),
        sa.Column("study_uid", Text, server_default="", nullable=False),
        sa.Column("series_uid", Text, server_default="", nullable=False),
        sa.Column("destination_aet", Text, server_default="", nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pull")),
    )
    op.create_index("ix_pull_message_id", "pull", ["message_id"], unique=False)
    op.create_table(
        "ticket",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("kind", Text, server_default="", nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("study_uid", Text, server_default="", nullable=False),
        sa.Column("series_uid", Text, server_default="", nullable=False),
        sa.Column("instance_uid", Text, server_default="", nullable=False),
        sa.Column("band", Text, server_default="", nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", Text, nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("reason", Text, nullable=True),
        sa.Column("died", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ticket_died", "ticket", ["died"], unique=False, **DEAD)
    op.create_index("ix_ticket_next", "ticket", ["band", "turn", "id"], unique=False, **WAITING)
    op.create_index("ix_ticket_turn", "ticket", ["band", "tenant", "study_uid", "turn"], unique=False, **ALIVE)
    op.create_index("ix_ticket_worker", "ticket", ["worker"], unique=False, **LEASED)
    op.create_index(
        "uq_ticket_waiting",
        "ticket",
        ["kind", "tenant", "study_uid", "series_uid", "instance_uid"],
        unique=True,
        **WAITING,
    )
    op.create_table(
        "tombstone",
        sa.Column("tenant", Text, nullable=False),
        sa.Column("study_uid", Text, nullable=False),
        sa.Column("series_uid", Text, server_default="", nullable=False),
        sa.Column("instance_uid", Text, server_default="", nullable=False),
        sa.Column("reason", Text, server_default="", nullable=False),
        sa.Column("deleted", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "study_uid", "series_uid", "instance_uid", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "member",
        sa.Column("collection_id", RowId, nullable=False),
        sa.Column("study_uid", Text, nullable=False),
        sa.Column("time_point", Text, server_default="", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_member_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "study_uid", name=op.f("pk_member")),
    )
    op.create_table(
        "study",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("tenant", Text, server_default="", nullable=False),
        sa.Column("study_uid", Text, server_default="", nullable=False),
        sa.Column("patient_id", RowId, nullable=True),
        sa.Column("study_date", Text, server_default="", nullable=False),
        sa.Column("study_time", Text, server_default="", nullable=False),
        sa.Column("accession_number", Text, server_default="", nullable=False),
        sa.Column("study_id_text", Text, server_default="", nullable=False),
        sa.Column("study_description", Text, server_default="", nullable=False),
        sa.Column("referring_physician", Text, server_default="", nullable=False),
        sa.Column("patient_name", Text, server_default="", nullable=False),
        sa.Column("patient_id_text", Text, server_default="", nullable=False),
        sa.Column("issuer", Text, server_default="", nullable=False),
        sa.Column("patient_birth_date", Text, server_default="", nullable=False),
        sa.Column("patient_sex", Text, server_default="", nullable=False),
        sa.Column("series_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("nearline_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("updated", sa.Float(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_study_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("tenant", "study_uid", name=op.f("uq_study_tenant_study_uid")),
    )
    op.create_index("ix_study_accession_number", "study", ["tenant", "accession_number"], unique=False)
    op.create_index("ix_study_patient_id", "study", ["patient_id"], unique=False)
    op.create_index("ix_study_patient_id_text", "study", ["tenant", "patient_id_text"], unique=False)
    op.create_index("ix_study_patient_name", "study", ["tenant", "patient_name"], unique=False)
    op.create_table(
        "series",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("study_id", RowId, nullable=True),
        sa.Column("series_uid", Text, server_default="", nullable=False),
        sa.Column("series_number", sa.BigInteger(), server_default="2147483648", nullable=False),
        sa.Column("modality", Text, server_default="", nullable=False),
        sa.Column("series_description", Text, server_default="", nullable=False),
        sa.Column("body_part", Text, server_default="", nullable=False),
        sa.Column("station_name", Text, server_default="", nullable=False),
        sa.Column("institution_name", Text, server_default="", nullable=False),
        sa.Column("protocol_name", Text, server_default="", nullable=False),
        sa.Column("series_date", Text, server_default="", nullable=False),
        sa.Column("series_time", Text, server_default="", nullable=False),
        sa.Column("pps_start_date", Text, server_default="", nullable=False),
        sa.Column("pps_start_time", Text, server_default="", nullable=False),
        sa.Column("instance_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("nearline_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pushed_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_arrival", sa.Float(), server_default="0", nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("document_key", Text, nullable=True),
        sa.Column("document_etag", Text, nullable=True),
        sa.Column("document_instances", sa.Integer(), nullable=True),
        sa.Column("slice_count", sa.Integer(), nullable=True),
        sa.Column("completed", sa.Float(), nullable=True),
        sa.Column("source", Text, server_default="", nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column("summary", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_series_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("study_id", "series_uid", name=op.f("uq_series_study_id_series_uid")),
    )
    op.create_index("ix_series_modality", "series", ["modality"], unique=False)
    op.create_index("ix_series_series_uid", "series", ["series_uid"], unique=False)
    op.create_table(
        "study_document",
        sa.Column("study_id", RowId, autoincrement=False, nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.Column("summary", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_study_document_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study_document")),
    )
    op.create_table(
        "study_value",
        sa.Column("tag", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", Text, nullable=False),
        sa.Column("study_id", RowId, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_value_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag", "value", "study_id", name=op.f("pk_study_value")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_study_value_study_id", "study_value", ["study_id"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("series_id", RowId, nullable=True),
        sa.Column("instance_uid", Text, server_default="", nullable=False),
        sa.Column("instance_number", sa.BigInteger(), server_default="2147483648", nullable=False),
        sa.Column("sop_class", Text, server_default="", nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("reason", Text, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", Text, nullable=True),
        sa.Column("source", Text, nullable=True),
        sa.Column("source_location", Text, nullable=True),
        sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("viewed", sa.Float(), nullable=True),
        sa.Column("summary", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_instance_series_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint("series_id", "instance_uid", name=op.f("uq_instance_series_id_instance_uid")),
    )
    op.create_index("ix_instance_instance_uid", "instance", ["instance_uid"], unique=False)
    op.create_index("ix_instance_order", "instance", ["series_id", "instance_number", "instance_uid"], unique=False)
    op.create_index("ix_instance_series_id_state", "instance", ["series_id", "state"], unique=False)
    op.create_index("ix_instance_state", "instance", ["state"], unique=False)
    op.create_table(
        "version",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("instance_id", RowId, nullable=True),
        sa.Column("version", Text, server_default="", nullable=False),
        sa.Column("object_key", Text, server_default="", nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sop_class", Text, server_default="", nullable=False),
        sa.Column("transfer_syntax", Text, server_default="", nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=True),
        sa.Column("frame_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("door", Text, server_default="", nullable=False),
        sa.Column("source", Text, nullable=True),
        sa.Column("calling_aet", Text, nullable=True),
        sa.Column("stored", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instance.id"], name=op.f("fk_version_instance_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("instance_id", "version", name=op.f("uq_version_instance_id_version")),
    )
    op.create_table(
        "instance_metadata",
        sa.Column("version_id", RowId, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name=op.f("fk_instance_metadata_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_instance_metadata")),
    )
    op.create_index(
        "ix_study_newest",
        "study",
        ["tenant", sa.text("study_date DESC"), sa.text("study_time DESC"), "study_uid", "patient_name"],
    )
