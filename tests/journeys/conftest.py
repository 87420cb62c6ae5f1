from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus import CORPUS
from tests.journeys.server import RunningServer, running


@pytest.fixture(scope="session")
def holding_corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that has imported the corpus. Tests must not change what it holds."""
    with running(tmp_path_factory.mktemp("corpus")) as server:
        server.import_files(CORPUS)
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """An empty server of the test's own."""
    with running(tmp_path / "data") as server:
        yield server


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the JavaScript dicomweb-client, the one inside OHIF."""
    folder = tmp_path_factory.mktemp("node")
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--silent", "dicomweb-client@0.11.3"], cwd=folder, check=True
    )
    return folder
