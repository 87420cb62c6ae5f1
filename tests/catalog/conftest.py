from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from tests import databases


@pytest.fixture(params=databases.KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases.empty(request.param, tmp_path)


@pytest.fixture
def catalog(url: str) -> Iterator[SqlCatalog]:
    opened = open_catalog(url)
    yield opened
    opened.close()
