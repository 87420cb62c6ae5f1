"""Make docs/images/ohif.png: the sample's head in OHIF on this server. Usage: python -m scripts.screenshot [ARCHIVE]

ARCHIVE is an OHIF package made by npm pack. Needs Chromium and playwright.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from dicomweb_server.samples.head import head, write_head
from tests.journeys.ohif import viewer
from tests.journeys.server import running

TARGET = Path(__file__).parent.parent / "docs" / "images" / "ohif.png"
DEEP = 40
"""Slices down from the top."""


def main(*archive: str) -> None:
    first = next(head())
    with tempfile.TemporaryDirectory() as data, running(Path(data) / "data") as server:
        server.cli("viewer", "install", *(f"--from={each}" for each in archive))
        files = Path(data) / "head"
        files.mkdir()
        write_head(files)
        server.import_files(files)
        with viewer(server.root) as ohif:
            ohif.open(first.StudyInstanceUID)
            ohif.wait_until_drawn(first.SeriesInstanceUID)
            ohif.end_tour()
            for _ in range(DEEP):
                ohif.page.keyboard.press("ArrowDown")
                ohif.page.wait_for_timeout(50)
            ohif.page.wait_for_timeout(3000)  # for the other thumbnails
            ohif.page.screenshot(path=str(TARGET))


if __name__ == "__main__":
    main(*sys.argv[1:])
