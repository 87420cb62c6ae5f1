"""A catalog that may not be written goes on being read; who stores is told to come again (S-21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.model.query import Level, Query
from tests.catalog.making import PUSHED, derived, new


def test_it_is_read_and_refuses_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    writable = SqlCatalog(Database(f"sqlite:///{path}"))
    held = derived("1.2.1", "1.2.1.1", "1.2.1.1.1")
    writable.holdings.store([new(held, origin=PUSHED)])
    reading = SqlCatalog(Database(f"sqlite:///file:{path}?mode=ro&uri=true"))
    with pytest.raises(OutOfResources, match="may not be written"):
        reading.holdings.store([new(derived("1.2.2", "1.2.2.1", "1.2.2.1.1"), origin=PUSHED)])
    assert reading.holdings.version(held.key).key == held.key
    assert len(reading.search.find(Query(Level.STUDY)).matches) == 1
    reading.close()
    writable.close()
