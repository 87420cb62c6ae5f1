from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus import path
from tests.hostile.watching import unharmed
from tests.journeys.server import RunningServer, running

HELD = "generated/mod/rtdose_5frames_32bit.dcm"


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One for the whole room: what one attack leaves behind must not help the next."""
    environment = {"DICOMWEB_SERVER_INGEST_CONFLICT": "replace", "DICOMWEB_SERVER_LOG_FORMAT": "json"}
    with running(tmp_path_factory.mktemp("hostile"), env=environment) as server:
        server.import_files(path(HELD))
        yield server


@pytest.fixture
def target(one_server: RunningServer) -> Iterator[RunningServer]:
    """The server under attack. When the test is over, it must be as well as before."""
    with unharmed(one_server):
        yield one_server
