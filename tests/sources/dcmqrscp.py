"""dcmtk's archive, dcmqrscp: a PACS that finds, moves and gives."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

AET = "ARCHIVE"
MODIFIABLE = "RW (500, 1024mb) ANY"


@dataclass(frozen=True, slots=True)
class Archive:
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def store(self, files: Sequence[Path]) -> None:
        """Push files with storescu, transfer syntax as it is."""
        for option in ("-xe", "-xi", "-xt", "-xv", "-xy", "-xr"):
            subprocess.run(
                ["storescu", "-R", option, "-nh", "-aec", AET, "127.0.0.1", str(self.port), *map(str, files)],
                capture_output=True,
                timeout=60,
                env={**os.environ, "TCP_NODELAY": "1"},
                check=False,
            )


@contextlib.contextmanager
def archive(folder: Path, *, destinations: dict[str, int] | None = None) -> Iterator[Archive]:
    """Run one; ``destinations`` are the AE titles on this machine it may move to, with their ports."""
    port = free_port()
    (folder / "store").mkdir(parents=True)
    hosts = "\n".join(f"{aet.lower()} = ({aet}, 127.0.0.1, {port})" for aet, port in (destinations or {}).items())
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{AET} {folder / 'store'} {MODIFIABLE}\nAETable END\n"
    )
    process = subprocess.Popen(
        ["dcmqrscp", "-c", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    try:
        _wait(port)
        yield Archive(port, process, folder / "store")
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "dcmqrscp did not start"
            time.sleep(0.05)
