"""What we hold and how far along it is: the parts of one database.

All calls block and belong in a thread. Every write is one short transaction.
"""

from __future__ import annotations

from typing import Protocol

from dicomweb_server.catalog.base.caching import Cached, Caching
from dicomweb_server.catalog.base.collecting import Collections
from dicomweb_server.catalog.base.holdings import Changes, Holdings, NewVersion, SeriesProgress
from dicomweb_server.catalog.base.mending import Due, HeldDocument, HeldObject, Inventory, Mending, Reread
from dicomweb_server.catalog.base.progress import Progress, Standing, Trouble
from dicomweb_server.catalog.base.pulling import AnnouncedSeries, Missing, Pulling
from dicomweb_server.catalog.base.search import Indexed, Indexing, Search

__all__ = [
    "AnnouncedSeries",
    "Cached",
    "Caching",
    "Catalog",
    "Changes",
    "Collections",
    "Due",
    "HeldDocument",
    "HeldObject",
    "Holdings",
    "Indexed",
    "Indexing",
    "Inventory",
    "Mending",
    "Missing",
    "NewVersion",
    "Progress",
    "Pulling",
    "Reread",
    "Search",
    "SeriesProgress",
    "Standing",
    "Trouble",
]


class Catalog(Protocol):
    @property
    def holdings(self) -> Holdings: ...

    @property
    def search(self) -> Search: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def pulling(self) -> Pulling: ...

    @property
    def inventory(self) -> Inventory: ...

    @property
    def caching(self) -> Caching: ...

    @property
    def indexing(self) -> Indexing: ...

    @property
    def mending(self) -> Mending: ...

    @property
    def collections(self) -> Collections: ...

    def close(self) -> None: ...
