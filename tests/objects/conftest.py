from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.objects.folder import FolderStore
from dicomweb_server.objects.memory import MemoryStore


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    opened: ObjectStore = FolderStore(tmp_path / "objects") if request.param == "folder" else MemoryStore()
    yield opened
    opened.close()
