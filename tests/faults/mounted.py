"""A server whose data folder is a small disk of its own, in a mount namespace that only the server sees."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.server import RunningServer, cli, running

MOUNT = """
set -e
mount -t tmpfs -o size="$1" none "$2"
mkdir "$2/objects"
mount --bind "$2/objects" "$2/objects"
shift 2
exec "$@"
"""


def may_mount() -> bool:
    """Whether this machine lets us have a disk of our own: root does, but in some containers."""
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, timeout=30, check=False).returncode == 0


@dataclass(slots=True)
class Confined(RunningServer):
    """Commands run in its namespace as well."""

    @property
    def disk(self) -> Path:
        """The data folder as the server sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.data}")

    def inside(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.process.pid), "-m", "env", f"--chdir={Path.cwd()}", *words]

    def cli(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return cli(*words, "--data", self.data, within=self.inside())

    def set_objects(self, mode: str) -> None:
        """``ro`` or ``rw``."""
        mount = self.inside("mount", "-o", f"remount,bind,{mode}", str(self.data / "objects"))
        subprocess.run(mount, check=True, capture_output=True, timeout=30)

    def fill(self) -> None:
        """Leave not one byte."""
        with contextlib.suppress(OSError), (self.disk / "filling").open("ab", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))

    def make_room(self) -> None:
        (self.disk / "filling").unlink()


@contextlib.contextmanager
def confined(data: Path, *, size: str, **options: Any) -> Iterator[Confined]:
    within = ["unshare", "-m", "sh", "-c", MOUNT, "mount", size, str(data)]
    with running(data, within=within, **options) as server:
        yield Confined(server.data, server.http, server.dimse_port, server.aet, server.process, server.log)
