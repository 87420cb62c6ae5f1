"""How the database is opened, brought up to date, and used from several processes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from dicomweb_server.catalog import database, migrate, schema
from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.model.errors import BackendFailed
from tests import databases
from tests.catalog.making import many


@pytest.fixture(params=databases.KINDS)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases.empty(request.param, tmp_path, schema=False)


def test_migrations_lead_to_the_schema_of_the_code(catalog: SqlCatalog) -> None:
    with catalog.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _ours, "compare_type": True})
        with warnings.catch_warnings():
            # Indexes on expressions cannot be read back from SQLite, and it says so.
            warnings.simplefilter("ignore", UserWarning)
            differences = compare_metadata(context, schema.metadata)
    assert differences == []


def test_several_processes_may_open_a_new_catalog_at_once(blank: str) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=open_and_store, args=(blank, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    catalog = open_catalog(blank)
    assert catalog.progress.totals()["instances"] == 3
    catalog.close()


def open_and_store(url: str, n: int) -> None:
    catalog = open_catalog(url)
    catalog.holdings.store(many(1, f"1.{n}", f"1.{n}.1"))
    catalog.close()


def test_a_catalog_of_a_newer_release_is_left_alone(catalog: SqlCatalog, url: str) -> None:
    with catalog.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackendFailed, match="newer"):
        open_catalog(url)


def test_the_newest_migration_is_the_one_opened_for() -> None:
    steps = (Path(migrate.__file__).parent / "migrations" / "versions").glob("*_[0-9]*.py")
    assert max(step.stem.rpartition("_")[2] for step in steps) == migrate.HEAD


def test_opening_a_current_catalog_loads_no_alembic(tmp_path: Path) -> None:
    open_catalog(f"sqlite:///{tmp_path}/c.sqlite").close()
    code = (
        "import sys; from dicomweb_server.catalog.sql import open_catalog;"
        f"open_catalog('sqlite:///{tmp_path}/c.sqlite').close(); print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_an_error_inside_a_transaction_undoes_it(catalog: SqlCatalog) -> None:
    with pytest.raises(KeyError), catalog.database.write() as connection:
        connection.execute(sa.insert(schema.patient).values(tenant="t", issuer="", patient_id="1"))
        raise KeyError
    with catalog.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.patient)).scalar() == 0


def test_a_child_of_a_fork_is_told_to_open_its_own(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/c.sqlite")
    child = os.fork()
    if child == 0:
        try:
            catalog.progress.totals()
        except BackendFailed:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    catalog.close()


@pytest.mark.parametrize(("mounts", "refused"), [("ext4", False), ("nfs4", True), ("cifs", True)])
def test_network_file_systems_are_refused(tmp_path: Path, mounts: str, refused: bool) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"overlay / overlay rw 0 0\ndisk {tmp_path} {mounts} rw 0 0\n")
    where = tmp_path / "deeper" / "catalog.sqlite"
    if refused:
        with pytest.raises(BackendFailed, match="network"):
            database.check_file_system(where, mounts=table)
    else:
        database.check_file_system(where, mounts=table)


def test_acknowledging_connections_sync_and_all_use_the_write_ahead_log(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/c.sqlite")
    with catalog.database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    with catalog.database.write(durable=False) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    catalog.close()


def test_readers_are_not_held_up_by_a_writer(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path}/c.sqlite")
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert catalog.progress.totals()["studies"] == 0
    other.close()
    catalog.close()


def test_other_databases_are_refused() -> None:
    with pytest.raises(BackendFailed, match="sqlite"):
        open_catalog("mysql://there")


def _ours(_: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """All but the tables of FTS5 and Alembic, and the indexes on expressions, which cannot be read back alike."""
    text = name or ""
    return not text.startswith(("study_text", "alembic", "ix_study_trigram")) and text != "ix_study_newest"
