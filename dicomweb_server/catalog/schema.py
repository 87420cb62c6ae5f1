"""The tables: what we hold, what happened, and what waits to be done.

The tenant stands in the key of every top table (patient, study, tombstone, collection, ticket); below a study it is
implied by the parent's row. Text is never NULL: a missing value is '', so equality, order and indexes stay simple.
Rows that are walked in searches are narrow; what is only shown lies beside them.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = BigInteger().with_variant(Integer, "sqlite")

NO_NUMBER = 2**31
"""Stands for a missing SeriesNumber or InstanceNumber: just above every IS value, so that it sorts last (Q-42)."""


def _id() -> Column[int]:
    return Column("id", RowId, primary_key=True, autoincrement=True)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _parent(name: str, *, cascade: bool = True) -> Column[int]:
    return Column(f"{name}_id", RowId, ForeignKey(f"{name}.id", ondelete="CASCADE" if cascade else None))


patient = sa.Table(
    "patient",
    metadata,
    _id(),
    _text("tenant"),
    _text("issuer"),
    _text("patient_id"),
    _text("patient_name"),
    UniqueConstraint("tenant", "issuer", "patient_id"),
)

study = sa.Table(
    "study",
    metadata,
    _id(),
    _text("tenant"),
    _text("study_uid"),
    _parent("patient", cascade=False),
    _text("study_date"),
    _text("study_time"),
    _text("accession_number"),
    _text("study_id_text"),
    _text("study_description"),
    _text("referring_physician"),
    _text("patient_name"),
    _text("patient_id_text"),
    _text("issuer"),
    _text("patient_birth_date"),
    _text("patient_sex"),
    _count("series_count"),
    _count("instance_count"),
    _count("nearline_count"),
    Column("updated", Float, nullable=False, server_default="0"),
    Column("state", Integer),
    _text("representative"),
    UniqueConstraint("tenant", "study_uid"),
    Index(
        "ix_study_newest", "tenant", sa.text("study_date DESC"), sa.text("study_time DESC"), "study_uid", "patient_name"
    ),
    Index("ix_study_patient_id_text", "tenant", "patient_id_text"),
    Index("ix_study_accession_number", "tenant", "accession_number"),
    Index("ix_study_patient_name", "tenant", "patient_name"),
    Index("ix_study_patient_id", "patient_id"),
)
"""Names are folded (``catalog.folding``), dates and times normalised; the words as they came are in the document."""

study_document = sa.Table(
    "study_document",
    metadata,
    Column("study_id", RowId, ForeignKey("study.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attributes", LargeBinary, nullable=False),
    Column("summary", LargeBinary, nullable=False),
)
"""Attributes as DICOM JSON, and the same with counts as search returns them, one attribute a line."""

study_value = sa.Table(
    "study_value",
    metadata,
    Column("tag", Integer, primary_key=True, autoincrement=False),
    Column("value", Text, primary_key=True),
    Column("study_id", RowId, ForeignKey("study.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Index("ix_study_value_study_id", "study_id"),
    sqlite_with_rowid=False,
)
"""Distinct values below a study: ModalitiesInStudy, SOPClassesInStudy; words of names and their sounds."""

search_index = sa.Table(
    "search_index",
    metadata,
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("upto", BigInteger, nullable=False, server_default="0"),
    Column("covered", Boolean, nullable=False, server_default=sa.false()),
)
"""Further attributes to index, in ``study_value`` under ``code``: up to which study that has come."""

lease = sa.Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Float, nullable=False),
)
"""Who does what only one may do at a time."""

series = sa.Table(
    "series",
    metadata,
    _id(),
    _parent("study"),
    _text("series_uid"),
    Column("series_number", BigInteger, nullable=False, server_default=str(NO_NUMBER)),
    _text("modality"),
    _text("series_description"),
    _text("body_part"),
    _text("station_name"),
    _text("institution_name"),
    _text("protocol_name"),
    _text("series_date"),
    _text("series_time"),
    _text("pps_start_date"),
    _text("pps_start_time"),
    _count("instance_count"),
    _count("nearline_count"),
    _count("pushed_count"),
    Column("last_arrival", Float, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("document_key", Text),
    Column("document_etag", Text),
    Column("document_instances", Integer),
    Column("slice_count", Integer),
    Column("completed", Float),
    _text("source"),
    Column("attributes", LargeBinary, nullable=False),
    Column("summary", LargeBinary, nullable=False),
    Column("state", Integer),
    _text("representative"),
    _count("image_count"),
    Index("ix_series_state", "state"),
    UniqueConstraint("study_id", "series_uid"),
    Index("ix_series_series_uid", "series_uid"),
    Index("ix_series_modality", "modality"),
)

instance = sa.Table(
    "instance",
    metadata,
    _id(),
    _parent("series"),
    _text("instance_uid"),
    Column("instance_number", BigInteger, nullable=False, server_default=str(NO_NUMBER)),
    _text("sop_class"),
    Column("state", Integer, nullable=False),
    Column("reason", Text),
    _count("attempts"),
    Column("version", Text),
    Column("source", Text),
    Column("source_location", Text),
    Column("pinned", Boolean, nullable=False, server_default=sa.false()),
    Column("viewed", Float),
    Column("summary", LargeBinary, nullable=False),
    UniqueConstraint("series_id", "instance_uid"),
    Index("ix_instance_order", "series_id", "instance_number", "instance_uid"),
    Index("ix_instance_series_id_state", "series_id", "state"),
    Index("ix_instance_state", "state"),
    Index("ix_instance_instance_uid", "instance_uid"),
)

version = sa.Table(
    "version",
    metadata,
    _id(),
    _parent("instance"),
    _text("version"),
    _text("object_key"),
    Column("size", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _text("sop_class"),
    _text("transfer_syntax"),
    Column("frames", LargeBinary),
    _count("frame_count"),
    _text("door"),
    Column("source", Text),
    Column("calling_aet", Text),
    Column("stored", Float, nullable=False),
    UniqueConstraint("instance_id", "version"),
)

"""``instance.version`` names the current one; NULL where nothing of the instance is here."""

instance_metadata = sa.Table(
    "instance_metadata",
    metadata,
    Column("version_id", RowId, ForeignKey("version.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

tombstone = sa.Table(
    "tombstone",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("study_uid", Text, primary_key=True),
    Column("series_uid", Text, primary_key=True, server_default=""),
    Column("instance_uid", Text, primary_key=True, server_default=""),
    _text("reason"),
    Column("deleted", Float, nullable=False),
)

counter = sa.Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

change = sa.Table(
    "change",
    metadata,
    Column("sequence", RowId, primary_key=True, autoincrement=False),
    _text("tenant"),
    _text("study_uid"),
    _text("series_uid"),
    _text("instance_uid"),
    Column("at", Float, nullable=False),
)

collection = sa.Table(
    "collection",
    metadata,
    _id(),
    _text("tenant"),
    _text("name"),
    _text("source"),
    Column("document", LargeBinary),
    Column("requested", Float, nullable=False),
    Column("expires", Float),
    _text("action"),
    _text("phase"),
    Column("request", LargeBinary),
    _text("reason"),
    _count("attempts"),
    Column("due", Float, nullable=False, server_default="0"),
    Column("ended", Float),
    Column("told", Float),
    Column("eager", Boolean, nullable=False, server_default=sa.false()),
    UniqueConstraint("tenant", "name"),
    Index("ix_collection_phase", "phase"),
)
"""``name`` is its public id, ``document`` the manifest it was made of; ``due``: when somebody may work on it next."""

member = sa.Table(
    "member",
    metadata,
    Column("collection_id", RowId, ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True),
    Column("study_uid", Text, primary_key=True),
    _text("time_point"),
    _count("position"),
)

pull = sa.Table(
    "pull",
    metadata,
    _id(),
    _text("tenant"),
    _text("source"),
    _text("study_uid"),
    _text("series_uid"),
    _text("destination_aet"),
    Column("message_id", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Index("ix_pull_message_id", "message_id"),
)

ticket = sa.Table(
    "ticket",
    metadata,
    _id(),
    _text("kind"),
    _text("tenant"),
    _text("study_uid"),
    _text("series_uid"),
    _text("instance_uid"),
    _text("band"),
    Column("turn", BigInteger, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("created", Float, nullable=False),
    _count("attempt"),
    Column("worker", Text),
    Column("lease_until", Float),
    Column("reason", Text),
    Column("died", Float),
    Index(
        "uq_ticket_waiting",
        "kind",
        "tenant",
        "study_uid",
        "series_uid",
        "instance_uid",
        unique=True,
        sqlite_where=sa.text("worker IS NULL AND died IS NULL"),
        postgresql_where=sa.text("worker IS NULL AND died IS NULL"),
    ),
    Index(
        "ix_ticket_next",
        "kind",
        "band",
        "turn",
        "id",
        "not_before",
        sqlite_where=sa.text("worker IS NULL AND died IS NULL"),
        postgresql_where=sa.text("worker IS NULL AND died IS NULL"),
    ),
    Index(
        "ix_ticket_turn",
        "kind",
        "band",
        "tenant",
        "study_uid",
        "turn",
        sqlite_where=sa.text("died IS NULL"),
        postgresql_where=sa.text("died IS NULL"),
    ),
    Index(
        "ix_ticket_worker",
        "worker",
        sqlite_where=sa.text("worker IS NOT NULL"),
        postgresql_where=sa.text("worker IS NOT NULL"),
    ),
    Index(
        "ix_ticket_died",
        "died",
        sqlite_where=sa.text("died IS NOT NULL"),
        postgresql_where=sa.text("died IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)
"""Waiting: no worker, not died. Leased: a worker. Dead letter: died. Also the outbox: it joins store's transaction."""

TEXT_COLUMNS = (
    "patient_name",
    "patient_id_text",
    "accession_number",
    "study_description",
    "referring_physician",
    "study_id_text",
)
"""Columns of ``study`` searched by substring: FTS5 trigram in SQLite, pg_trgm in PostgreSQL."""
