"""Sources that count what is asked of them, and servers that stand in front of sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb_server.web.app import make_app
from tests.journeys.server import RunningServer, running
from tests.web.retrieving import Door, door
from tests.web.serving import serving


class Counted:
    """Counts every path that is asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.paths: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.paths[scope["path"].removeprefix("/dicomweb")] += 1
        await self._app(scope, receive, send)


@contextmanager
def dicomweb_source(folder: Path, *names: str) -> Iterator[tuple[str, Counted, Door]]:
    """A DICOMweb server that holds files of the corpus: its root, what was asked, and what it holds."""
    with door(folder, *names) as held:
        counted = Counted(make_app(held.services))
        with serving(counted) as (host, port):
            yield f"http://{host}:{port}/dicomweb", counted, held


@contextmanager
def in_front_of(folder: Path, *tables: str, extra: tuple[str, ...] = ()) -> Iterator[RunningServer]:
    """An empty server whose settings name these sources."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.toml"
    settings.write_text("\n".join(f"[[source]]\n{table}" for table in tables))
    with running(folder / "data", extra=("--config", str(settings), *extra)) as server:
        yield server


def web_table(url: str, name: str = "neighbour") -> str:
    return f'name = "{name}"\nkind = "dicomweb"\nurl = "{url}"\n'


def pacs_table(port: int, retrieve: str = "get", *, move_to: str = "", name: str = "archive") -> str:
    return (
        f'name = "{name}"\nkind = "pacs"\nhost = "127.0.0.1"\nport = {port}\ncalled_aet = "ARCHIVE"\n'
        f'calling_aet = "JOURNEY"\nretrieve = "{retrieve}"\nmove_to = "{move_to}"\n'
    )
