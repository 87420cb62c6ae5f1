"""Receives every file of a folder, one after the other, and says so on standard output. Run by the crash tests.

Arguments: the data folder and the folder of the files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dicomweb_server.catalog.database import Database
from dicomweb_server.catalog.sql import SqlCatalog
from dicomweb_server.ingest.commit import GroupCommit
from dicomweb_server.ingest.receive import Receive
from dicomweb_server.model.records import Door, Origin
from dicomweb_server.objects.folder import FolderStore
from tests.ingest.silence import Silence


def main(data: Path, files: Path) -> None:
    catalog = SqlCatalog(Database(f"sqlite:///{data / 'catalog.sqlite'}"))
    receive = Receive(GroupCommit(FolderStore(data / "objects"), catalog.holdings, Silence()))
    for path in sorted(files.iterdir()):
        staged = receive.stage()
        staged.write_bytes(path.read_bytes())
        outcome = receive.receive_now(staged, Origin(Door.IMPORT))
        os.write(1, f"ACK {outcome.key.instance} {outcome.fate}\n".encode())
    receive.close()
    catalog.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
