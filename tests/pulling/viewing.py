"""What OHIF asks when it opens a study, in its order, without a browser (viewer-expectations: recorded once)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.journeys.server import RunningServer
from tests.pulling.test_opening import found

AT_ONCE = 10
"""Requests a browser has open for one study, about."""
FRAMES = {"accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}


@dataclass(slots=True)
class Opening:
    """Seconds since the start of each step, and of each frame of the opened series by its URL."""

    described: float = 0.0
    metadata: float = 0.0
    """Of the opened series."""
    first_image: float = 0.0
    last_image: float = 0.0
    came_at_metadata: int = 0
    """Bytes that had come from the source by then."""
    came_at_first_image: int = 0
    frames: dict[str, float] = field(default_factory=dict)


def open_study(server: RunningServer, study: str, series: str, *, came: Callable[[], int] = lambda: 0) -> Opening:
    """List the series, describe each, one frame of each for its thumbnail, then all frames of ``series``."""
    opening, began = Opening(), time.perf_counter()
    limits = httpx.Limits(max_connections=AT_ONCE)
    with server.client(limits=limits) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        listed = [each["0020000E"]["Value"][0] for each in found(client, f"/studies/{study}/series")]
        opening.described = time.perf_counter() - began
        ordered = [series, *(each for each in listed if each != series)]
        asked = {each: threads.submit(found, client, f"/studies/{study}/series/{each}/metadata") for each in ordered}
        instances = asked[series].result()
        opening.metadata = time.perf_counter() - began
        opening.came_at_metadata = came()

        def frame(url: str) -> None:
            client.get(url, headers=FRAMES).raise_for_status()
            opening.frames[url] = time.perf_counter() - began
            if not opening.first_image:
                opening.first_image, opening.came_at_first_image = opening.frames[url], came()

        def thumbnail(uid: str) -> None:
            rows = asked[uid].result()
            client.get(_frame(study, rows[len(rows) // 2]), headers=FRAMES).raise_for_status()

        pictures = [threads.submit(thumbnail, each) for each in ordered[1:]]
        list(threads.map(frame, [_frame(study, row) for row in instances]))
        opening.last_image = time.perf_counter() - began
        for picture in pictures:
            picture.result()
    return opening


def _frame(study: str, row: dict[str, dict[str, list[str]]]) -> str:
    series, instance = row["0020000E"]["Value"][0], row["00080018"]["Value"][0]
    return f"/studies/{study}/series/{series}/instances/{instance}/frames/1"
