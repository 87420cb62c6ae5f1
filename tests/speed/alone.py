"""One core: seconds to read the header of each file of a folder with its digest, and to draw its thumbnail.

Run as a script with the folder, by the Python path of the code that is measured.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.drawing import draw_thumbnail
from dicomweb_server.dicom.source import FileSource
from dicomweb_server.limits import keep_freed_memory


def seconds(folder: Path) -> float:
    """Of the processor, for all files; each was read before."""
    keep_freed_memory()
    files = [str(path) for path in sorted(folder.iterdir())]
    for path in files[:20]:
        _made_of(path)
    began = time.process_time()
    for path in files:
        _made_of(path)
    return time.process_time() - began


def _made_of(path: str) -> None:
    with FileSource(path) as source:
        derive(source)
    draw_thumbnail(path)


if __name__ == "__main__":
    print(seconds(Path(sys.argv[1])))
