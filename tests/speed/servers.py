"""The servers that are measured: started from a checkout, or running already; what their processes used."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.journeys.server import RunningServer, start

BOUNDARY = "one-more-part"
TOGETHER = 20
"""Instances in one store request."""
QUIET_SECONDS = 4.0
_NOTHING = 0.03
"""Seconds of the processor in half a second that are next to nothing."""


@dataclass(frozen=True, slots=True)
class Use:
    """Seconds of processor time, and how often a thread waited for something."""

    decoders: float = 0.0
    others: float = 0.0
    waits: int = 0

    def __sub__(self, before: Use) -> Use:
        return Use(self.decoders - before.decoders, self.others - before.others, self.waits - before.waits)

    @property
    def seconds(self) -> float:
        return self.decoders + self.others


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    dicomweb: str
    pid: int
    running: RunningServer | None = None
    """None for one that was there already."""

    def use(self) -> Use:
        """What all its processes used until now; one that has ended meanwhile no longer counts."""
        decoders = others = 0.0
        waits = 0
        for pid in _family(self.pid):
            with suppress(OSError):
                seconds = time.clock_gettime(~pid << 3 | 2)
                waits += _waits(pid)
                if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    decoders += seconds
                else:
                    others += seconds
        return Use(decoders, others, waits)

    def store(self, files: Sequence[Path]) -> None:
        with httpx.Client(timeout=120.0) as client:
            for start_at in range(0, len(files), TOGETHER):
                self.store_together(client, files[start_at : start_at + TOGETHER])

    def store_together(self, client: httpx.Client, files: Sequence[Path]) -> None:
        """In one request."""
        head = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        client.post(
            f"{self.dicomweb}/studies",
            content=_multipart(files),
            headers={"Content-Type": head, "Accept": "application/dicom+json"},
        ).raise_for_status()

    def rest(self, *, seconds: float = 120.0) -> None:
        """Return when it has had next to nothing to do for a while; some work begins when nothing came for seconds."""
        end = time.monotonic() + seconds
        used, quiet_since = self.use().seconds, time.monotonic()
        while time.monotonic() - quiet_since < QUIET_SECONDS:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} was still at work after {seconds:g} seconds")
            time.sleep(0.5)
            now = self.use().seconds
            if now - used > _NOTHING:
                quiet_since = time.monotonic()
            used = now


@dataclass(slots=True)
class Choice:
    """What the command line names."""

    code: list[str] = field(default_factory=list)
    """NAME=FOLDER, each a checkout."""
    peer: list[str] = field(default_factory=list)
    """NAME=DICOMWEB_URL,PID, each a server that runs already."""


@contextmanager
def servers(choice: Choice, folder: Path) -> Iterator[list[Server]]:
    """All of them, with their data below ``folder``; this code where no checkout is named."""
    with ExitStack() as started:
        found = [started.enter_context(_own(each, folder)) for each in choice.code or ["here=."]]
        for each in choice.peer:
            name, _, rest = each.partition("=")
            url, _, pid = rest.rpartition(",")
            found.append(Server(name, url, int(pid)))
        yield found


@contextmanager
def _own(named: str, folder: Path) -> Iterator[Server]:
    name, _, code = named.partition("=")
    running = start(folder / f"data-{name}", code=Path(code).absolute())
    try:
        yield Server(name, running.dicomweb, running.process.pid, running)
    finally:
        running.stop()
        running.kill()


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        for thread in _threads(parent):
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _threads(pid: int) -> list[Path]:
    with suppress(OSError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []


def _waits(pid: int) -> int:
    waits = 0
    for thread in _threads(pid):
        with suppress(OSError):
            lines = (thread / "status").read_text().splitlines()
            waits += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return waits


def _multipart(files: Sequence[Path]) -> bytes:
    parts = []
    for file in files:
        parts += [f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode(), file.read_bytes(), b"\r\n"]
    return b"".join((*parts, f"--{BOUNDARY}--\r\n".encode()))
