"""What has to hold when the fault is over: all is there bit by bit, at its end state, and nothing is left over."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import httpx
import pydicom

from tests.faults.sending import data_set
from tests.journeys.server import RunningServer, wait_for

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def status(server: RunningServer) -> dict[str, Any]:
    answer = server.cli("status")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def at_rest(server: RunningServer) -> bool:
    """No ticket is left, and every instance is ready or failed."""
    found = status(server)
    tickets, holds = found["tickets"], found["holds"]
    busy = sum(tickets[name] for name in ("waiting", "delayed", "at work"))
    return not busy and holds["instances"] == holds["ready"] + holds["failed"] + holds["announced"]


def assert_all_ready(server: RunningServer, files: dict[str, bytes], *, seconds: float = 90.0) -> None:
    """Every file is retrieved as it was sent, all are ready, and ``verify`` finds nothing wrong."""
    wait_for(lambda: at_rest(server), "the end of all work", seconds=seconds)
    found = status(server)
    assert (found["holds"]["instances"], found["holds"]["ready"]) == (len(files), len(files)), found
    assert found["tickets"]["given up"] == 0
    assert_held(server, files)
    verified = server.cli("verify", "--digests")
    assert verified.returncode == 0, verified.stdout


def assert_held(server: RunningServer, files: dict[str, bytes]) -> None:
    """Every file is retrieved as it was sent."""
    with server.client() as client:
        for uid, body in files.items():
            assert data_set(retrieved(client, body)) == data_set(body), uid


def retrieved(client: httpx.Client, body: bytes) -> bytes:
    """The file the server gives for the instance ``body`` is of."""
    file = pydicom.dcmread(BytesIO(body), stop_before_pixels=True)
    path = f"/studies/{file.StudyInstanceUID}/series/{file.SeriesInstanceUID}/instances/{file.SOPInstanceUID}"
    answer = client.get(path, headers={"Accept": AS_STORED})
    assert answer.status_code == 200, answer.text
    return answer.content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
