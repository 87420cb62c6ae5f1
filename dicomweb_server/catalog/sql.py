"""The catalog in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.catalog.caching import SqlCaching
from dicomweb_server.catalog.changelog import SqlChanges
from dicomweb_server.catalog.collecting import SqlCollections
from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.extra import attribute
from dicomweb_server.catalog.holdings import SqlHoldings
from dicomweb_server.catalog.indexing import SqlIndexing
from dicomweb_server.catalog.inventory import SqlInventory
from dicomweb_server.catalog.mending import SqlMending
from dicomweb_server.catalog.progress import SqlProgress
from dicomweb_server.catalog.pulling import SqlPulling
from dicomweb_server.catalog.search import SqlSearch


class SqlCatalog:
    """Ten faces of one database; ``database`` is what the SQL queue is opened on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.holdings = SqlHoldings(database)
        self.search = SqlSearch(database)
        self.progress = SqlProgress(database)
        self.changes = SqlChanges(database)
        self.pulling = SqlPulling(database)
        self.inventory = SqlInventory(database)
        self.caching = SqlCaching(database)
        self.indexing = SqlIndexing(database)
        self.mending = SqlMending(database)
        self.collections = SqlCollections(database)

    def close(self) -> None:
        self.database.close()


def open_catalog(url: str, *, indexed: Sequence[str] = ()) -> SqlCatalog:
    """``sqlite:///path`` or ``postgresql://…``; creates or brings up to date what is there.

    ``indexed`` names further attributes to index. Raises BackendFailed, ValueError.
    """
    return SqlCatalog(Database(url, indexed=[attribute(name) for name in indexed]))


_: type[Catalog] = SqlCatalog
