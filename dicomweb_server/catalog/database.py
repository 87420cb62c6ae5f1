"""Connections to the catalog's database: short write transactions, readers that materialise and close.

SQLite (WAL): every write begins IMMEDIATE, one at a time in a process; a connection never crosses a fork, and a network
file system is refused, since WAL needs shared memory.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dicomweb_server.catalog import migrate
from dicomweb_server.catalog.dialects import BUSY_SECONDS, Dialect, dialect_of
from dicomweb_server.catalog.extra import Attribute, ExtraIndex
from dicomweb_server.catalog.prepared import run
from dicomweb_server.catalog.tickets import Enqueue
from dicomweb_server.model.errors import BackendFailed, OutOfResources

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"})


class Database:
    def __init__(self, url: str, *, indexed: Sequence[Attribute] = ()) -> None:
        """Opens and brings the schema up to date. Raises BackendFailed."""
        self.dialect: Dialect
        self.dialect, self._url = dialect_of(url)
        self._embedded = self.dialect.name == "sqlite"
        if self._embedded:
            check_file_system(Path(sa.make_url(self._url).database or "."))
        self.enqueue = Enqueue(self.dialect)
        self.extra = ExtraIndex(self.dialect, indexed)
        self._durable = self.dialect.engine(self._url, durable=True)
        self._bookkeeping = self.dialect.engine(self._url, durable=False)
        self._pid = os.getpid()
        self._writing = threading.Lock()
        self._kept = _Kept()
        self._stamping = threading.Lock()
        self._stamper: Connection | None = None
        self._read_stamp: Callable[[], int]
        try:
            with _translated():
                migrate.to_head(self._durable, self.dialect.name)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction, committed at the end of the block. Raises BackendFailed."""
        self._check_process()
        engine = self._durable if durable else self._bookkeeping
        with _translated():
            if not self._embedded:
                with engine.begin() as connection:
                    yield connection
                return
            with self._turn(), self._kept.transaction(engine, "BEGIN IMMEDIATE") as connection:
                yield connection
                run(connection, "COMMIT")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Of the threads of this process: each waits no longer than for another process. Raises BackendFailed."""
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise BackendFailed("the catalog is locked", passing=True)
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; whoever reads takes all rows before leaving. Raises BackendFailed."""
        self._check_process()
        with _translated():
            if not self._embedded:
                with self._bookkeeping.connect() as connection:
                    yield connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                return
            with self._kept.transaction(self._bookkeeping, "BEGIN") as connection:
                yield connection

    def stamp(self) -> int:
        self._check_process()
        with self._stamping, _translated():
            if self._stamper is None:
                self._stamper = self._bookkeeping.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._read_stamp = self.dialect.stamp(self._stamper)
            return self._read_stamp()

    def close(self) -> None:
        if os.getpid() != self._pid:
            return
        with self._stamping:
            if self._stamper is not None:
                self._stamper.close()
                self._stamper = None
        self._kept.close()
        self._durable.dispose()
        self._bookkeeping.dispose()

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise BackendFailed("the catalog was opened in another process; open it after the fork")


class _Kept:
    """Connections to SQLite between their uses, a few of each engine: the pool's own care costs more than a read."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._idle: dict[Engine, list[Connection]] = {}

    @contextmanager
    def transaction(self, engine: Engine, begin: str) -> Iterator[Connection]:
        """What is not committed at the end of the block is rolled back."""
        idle = self._idle.setdefault(engine, [])
        try:
            connection = idle.pop()
        except IndexError:
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            run(connection, begin)
            yield connection
        finally:
            connection.connection.rollback()
            if len(idle) < self._most:
                idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        origin = error.orig if isinstance(error, DBAPIError) else error
        text = str(origin).lower()
        # A full disk is a mere I/O error to who opens the catalog first: its shared memory does not fit.
        if "full" in text or "no space" in text or getattr(origin, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE":
            raise OutOfResources("the catalog's disk is full") from error
        if "readonly" in text:
            raise OutOfResources("the catalog may not be written now") from error
        passing = any(word in text for word in ("locked", "busy", "deadlock", "connection", "serialize"))
        raise BackendFailed(f"the catalog failed: {type(origin).__name__}", passing=passing) from error
    except sa.exc.TimeoutError as error:
        raise BackendFailed("no free connection to the catalog", passing=True) from error


def check_file_system(path: Path, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raises BackendFailed on a network file system: WAL and its locks do not hold there."""
    folder = path.parent.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return
    kinds = {fields[1].replace("\\040", " "): fields[2] for fields in (line.split(" ") for line in lines)}
    for parent in (folder, *folder.parents):
        if str(parent) in kinds:
            if kinds[str(parent)] in _NETWORK:
                raise BackendFailed("the catalog cannot lie on a network file system; use a local disk or PostgreSQL")
            return
