"""Everything that was taken in can be looked at: a picture that decodes, or the documented refusal (R-01 to R-24)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.journeys.asking import JSON
from tests.journeys.server import RunningServer

REFUSED = {
    # No picture and no text, presentation states, pixels that cannot be decoded, or only by reference
    406,
}
TEXT = ("text/html", "text/xml", "application/pdf", "model/", "video/")


@pytest.fixture(scope="module")
def client(holding_corpus: RunningServer) -> Iterator[httpx.Client]:
    with holding_corpus.client() as client:
        yield client


@pytest.fixture(scope="module")
def instances(client: httpx.Client) -> list[str]:
    """Path of every instance."""
    found = []
    for offset in range(0, 100_000, 1000):
        page: list[dict[str, Any]] = client.get(f"/instances?limit=1000&offset={offset}", headers=JSON).json()
        found += [
            f"/studies/{row['0020000D']['Value'][0]}/series/{row['0020000E']['Value'][0]}"
            f"/instances/{row['00080018']['Value'][0]}"
            for row in page
        ]
        if len(page) < 1000:
            break
    return found


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_every_instance_has_a_thumbnail(client: httpx.Client, instances: list[str]) -> None:
    for path in instances:
        answer = client.get(f"{path}/thumbnail", headers={"Accept": "image/jpeg"})
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
        assert max(opened(answer.content).size) <= 128


def test_every_series_and_study_has_a_thumbnail(client: httpx.Client, instances: list[str]) -> None:
    above = {path.partition("/instances/")[0] for path in instances}
    for path in above | {path.partition("/series/")[0] for path in above}:
        answer = client.get(f"{path}/thumbnail?viewport=256%2C256", headers={"Accept": "image/jpeg"})
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
        assert max(opened(answer.content).size) == 256


def test_every_instance_is_shown_or_refused_with_a_reason(client: httpx.Client, instances: list[str]) -> None:
    shown = 0
    for path in instances:
        answer = client.get(f"{path}/rendered", headers={"Accept": "image/jpeg, text/html, */*;q=0.1"})
        if answer.status_code in REFUSED:
            assert answer.json()["detail"] if "json" in answer.headers["content-type"] else answer.text
            continue
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
        if not answer.headers["content-type"].startswith(TEXT):
            assert opened(answer.content).format == "JPEG"
        shown += 1
    assert shown >= len(instances) * 0.9
