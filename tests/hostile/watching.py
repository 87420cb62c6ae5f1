"""What a running server costs and whether it is whole: its processes, their memory, its answers, its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pynetdicom.ae import ApplicationEntity
from pynetdicom.sop_class import Verification

from tests.journeys.server import RunningServer

MIB = 1 << 20
MOST = {"web": 2048 * MIB, "dimse": 2048 * MIB, "worker": 512 * MIB, "supervisor": 128 * MIB}
"""The bounds of docs/limits.md: resident bytes of each role's process at its worst moment."""


def roles(server: RunningServer) -> dict[int, str]:
    """The processes of the server by what they do. Decoders are none of them: they may be killed."""
    log = server.log.read_text(errors="replace")
    started = {
        int(line.partition(" runs as process ")[2].partition('"')[0]): line.partition(" runs as process ")[0]
        for line in log.splitlines()
        if " runs as process " in line
    }
    return {pid: text.rpartition('"')[2] for pid, text in started.items()} | {server.process.pid: "supervisor"}


def peak(pid: int) -> int:
    """The most resident memory a process ever had, in bytes. Raises OSError when it is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def serves(server: RunningServer) -> bool:
    """Whether both doors answer somebody who means well, within seconds."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.3"), timeout=10.0) as client:
        search = client.get(f"{server.dicomweb}/studies?limit=1")
    return search.status_code in (200, 204) and echoes(server)


def echoes(server: RunningServer) -> bool:
    entity = ApplicationEntity("WELLMEANING")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", server.dimse_port, ae_title=server.aet, bind_address=("127.0.0.3", 0))
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status and status.Status == 0)


def troubles(server: RunningServer, since: int = 0) -> list[str]:
    """Lines of the log that tell of something nobody foresaw."""
    lines = server.log.read_bytes()[since:].decode(errors="replace").splitlines()
    return [line for line in lines if '"level":"error"' in line or "Traceback" in line]


@contextmanager
def unharmed(server: RunningServer) -> Iterator[None]:
    """Afterwards the same processes run, both doors answer, no bound was passed and nothing went wrong unforeseen."""
    before, written = roles(server), server.log.stat().st_size
    yield
    assert serves(server)
    assert roles(server) == before
    assert {what: peak(pid) for pid, what in before.items() if peak(pid) > MOST[what]} == {}
    assert troubles(server, written) == []
