"""Images a second through the worker, from the stored file to the thumbnail: ``python -m tests.preprocess.speed``."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.journeys.server import cli
from tests.phantoms.collection import write_ct

IMAGES = 1500


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        files, data = Path(name) / "files", Path(name) / "data"
        write_ct(files, slices=IMAGES)
        assert cli("import", files, "--data", data).returncode == 0
        with closing(sqlite3.connect(data / "catalog.sqlite")) as catalog:
            count = "SELECT count(*) FROM ticket WHERE kind = 'preprocess'"
            before = os.times()
            worker = [sys.executable, "-m", "dicomweb_server", "serve", "--role", "worker", "--data", str(data)]
            process = subprocess.Popen(worker, stderr=subprocess.DEVNULL)
            left = IMAGES
            while left == IMAGES:
                (left,) = catalog.execute(count).fetchone()
            began, first = time.perf_counter(), left
            while left:
                time.sleep(0.01)
                (left,) = catalog.execute(count).fetchone()
            seconds = time.perf_counter() - began
            process.send_signal(signal.SIGTERM)
            process.wait()
        after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{first / seconds:.0f} images/s; {used / IMAGES * 1e3:.1f} ms CPU each, the worker's start included")


if __name__ == "__main__":
    main()
