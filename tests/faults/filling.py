"""Each step of ``removing`` on a full disk, then again with room: ``python -m tests.faults.filling START DISK``.

Tells in a line for each what came of both. Whatever it is, rows and objects agree afterwards.
"""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from dicomweb_server.model.errors import DicomwebError
from tests.faults.removing import OTHERS, STEPS, opened
from tests.faults.test_removal_kills import check

FULL = ("reconcile", "reindex", "delete", "purge", "evict")
"""Those that write to the catalog whatever there is to do, and do not draw."""


def main(start: Path, disk: Path) -> None:
    opening = shutil.copytree(start, disk / "open")
    fill(disk)
    first = outcome(opening, "open")
    (disk / "filling").unlink()
    print(json.dumps(["open", first, outcome(opening, "open")]))
    for step in FULL:
        data = shutil.copytree(start, disk / step)
        first = outcome(data, step, fills=disk)
        (disk / "filling").unlink()
        check(data, step, done=False)
        print(json.dumps([step, first, outcome(data, step)]))
        check(data, step, done=True)


def outcome(data: Path, step: str, *, fills: Path | None = None) -> str:
    """The name of the error, if there was one. ``fills``: the disk that is full once the catalog is open."""
    try:
        with opened(data) as held:
            if fills is not None:
                fill(fills)
            (STEPS | OTHERS)[step](held)
    except DicomwebError as error:
        return type(error).__name__
    return "done"


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filling").open("ab", buffering=0) as filling:
        while True:
            filling.write(bytes(4096))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
