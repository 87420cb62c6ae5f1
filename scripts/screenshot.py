"""Make docs/images/ohif.png: a series in OHIF on this server. Usage: python -m scripts.screenshot FOLDER [ARCHIVE]

FOLDER holds one series; ARCHIVE is an OHIF package made by npm pack. Needs Chromium and playwright.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pydicom

from tests.journeys.ohif import viewer
from tests.journeys.server import running

TARGET = Path(__file__).parent.parent / "docs" / "images" / "ohif.png"


def main(folder: Path, *archive: str) -> None:
    first = pydicom.dcmread(sorted(each for each in folder.iterdir() if each.is_file())[0], stop_before_pixels=True)
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server:
        server.cli("viewer", "install", *(f"--from={each}" for each in archive))
        server.import_files(folder)
        with viewer(server.root) as ohif:
            ohif.open(first.StudyInstanceUID)
            ohif.wait_until_drawn(first.SeriesInstanceUID)
            ohif.end_tour()
            ohif.page.wait_for_timeout(3000)  # for the other thumbnails
            ohif.page.screenshot(path=str(TARGET))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
