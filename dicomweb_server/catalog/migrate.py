"""Bring the schema up to date at open, one process at a time. Alembic is loaded only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from dicomweb_server.model.errors import BackendFailed

HEAD = "0007"
"""The newest file in ``migrations/versions``."""

_LOCK = 0x6469636F6D
_CURRENT = sa.text("SELECT version_num FROM alembic_version")
_FOLDER = Path(__file__).parent / "migrations"


def to_head(engine: Engine, dialect: str) -> None:
    """Raises BackendFailed where a newer release of this server has been here."""
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
        connection.rollback()
        if dialect == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _version(connection) != HEAD:
            _upgrade(connection)
        if dialect == "sqlite":
            connection.exec_driver_sql("COMMIT")
        connection.commit()


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(_CURRENT).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    script = ScriptDirectory(str(_FOLDER))

    def steps(revision: Any, _: Any) -> Any:
        try:
            return script._upgrade_revs(HEAD, revision)
        except CommandError as error:
            raise BackendFailed("the catalog was written by a newer release of this server") from error

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, render_as_batch=True, transactional_ddl=False)
        environment.run_migrations()
