"""Sources that fail while a study is fetched."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.web.app import make_app
from tests import corpus
from tests.pulling.peers import in_front_of, web_table
from tests.web.retrieving import door
from tests.web.serving import serving

NAMES = [f"generated/mod/pt_slope_{number}.dcm" for number in range(4)]
AS_STORED = {"accept": "application/octet-stream; transfer-syntax=*"}


class Refusing:
    """Answers requests for one instance with ``status`` as long as ``times`` is not used up."""

    def __init__(self, app: ASGIApp, instance: str, status: int, times: int) -> None:
        self._app, self._instance, self._status, self._left = app, instance, status, times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(f"/instances/{self._instance}") or not self._left:
            await self._app(scope, receive, send)
            return
        self._left -= 1
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def frame_path(file: pydicom.FileDataset) -> str:
    study, series, instance = file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID
    return f"/studies/{study}/series/{series}/instances/{instance}/frames/1"


@pytest.mark.parametrize(
    ("status", "times", "answer"),
    [pytest.param(503, 4, 200, id="busy for a while"), pytest.param(404, 1000, 502, id="listed and not there")],
)
def test_what_a_source_refuses_is_tried_again_or_failed_by_name(
    tmp_path: Path, status: int, times: int, answer: int
) -> None:
    files = [pydicom.dcmread(corpus.path(name)) for name in NAMES]
    with door(tmp_path / "source", *NAMES) as held:
        refusing = Refusing(make_app(held.services), files[1].SOPInstanceUID, status, times)
        with (
            serving(refusing) as (host, port),
            in_front_of(tmp_path / "front", web_table(f"http://{host}:{port}/dicomweb")) as server,
            server.client() as client,
        ):
            answers = [client.get(frame_path(file), headers=AS_STORED).status_code for file in files]
            assert answers == [200, answer, 200, 200]
            described = client.get(f"/studies/{files[0].StudyInstanceUID}/metadata")
            assert len(described.json()) == (4 if answer == 200 else 3)
            assert ("warning" in described.headers) == (answer != 200)
