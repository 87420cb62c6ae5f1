"""Rendered pictures and decoded frames: what each costs when nobody asked for it yet, and when somebody did.

``python -m tests.speed.pictures [--code NAME=CHECKOUT]... [--peer NAME=DICOMWEB_URL,PID]...``: processor time of all
processes of each server for a request, how much of it in decoders, the median time to the answer, and how often a
thread of the server waited. The medians of the rounds are printed; each round loads new images into every server.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tests.speed.images import CT, JPEG_2000, RLE, ULTRASOUND, Loaded, write
from tests.speed.load import Cost, again_and_again, each_once
from tests.speed.servers import Choice, Server, servers

JPEG = "image/jpeg"
DECODED = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'
MANY = 8
"""Connections of the rows that have more than one."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    kind: str
    path: Callable[[str], str]
    accept: str = JPEG


def _rendered(frame: str) -> str:
    return f"{frame}/rendered"


def _thumbnail(frame: str) -> str:
    return f"{frame.rpartition('/frames/')[0]}/thumbnail"


def _fitted(frame: str) -> str:
    return f"{frame}/rendered?viewport=128,128"


ROWS = (
    Row("rendered CT", CT, _rendered),
    Row("thumbnail of CT", CT, _thumbnail),
    Row("rendered ultrasound", ULTRASOUND, _rendered),
    Row("rendered JPEG 2000", JPEG_2000, _rendered),
    Row("JPEG 2000 in 128 x 128", JPEG_2000, _fitted),
    Row("frame of JPEG 2000, decoded", JPEG_2000, str, DECODED),
    Row("frame of RLE, decoded", RLE, str, DECODED),
)


@dataclass(slots=True)
class Options(Choice):
    rounds: int = 2
    images: int = 80
    seconds: float = 1.0
    only: str = ""
    folder: Path | None = None


def measured(server: Server, row: Row, frames: Sequence[str], seconds: float) -> dict[str, Cost]:
    """The row cold and warm, over one connection and several. Frame 1 starts whatever has to be started."""
    paths = [row.path(frame) for frame in frames]
    each_once(server, paths[:1], row.accept, connections=1)
    half = (len(paths) + 1) // 2
    found = {
        f"{row.name}, cold": each_once(server, paths[1:half], row.accept, connections=1),
        f"{row.name}, cold, {MANY} at once": each_once(server, paths[half:], row.accept, connections=MANY),
    }
    if seconds:
        for many, said in ((1, ""), (MANY, f", {MANY} at once")):
            cost = again_and_again(server, paths, row.accept, connections=many, seconds=seconds)
            found[f"{row.name}, warm{said}"] = cost
    return found


def run(asked: Options, folder: Path) -> dict[tuple[str, str], list[Cost]]:
    """The costs of every row for every server, round by round."""
    rows = [row for row in ROWS if re.search(asked.only, row.name)]
    found: dict[tuple[str, str], list[Cost]] = {}
    with servers(asked, folder) as chosen:
        for number in range(asked.rounds):
            loaded = _loaded(chosen, {row.kind for row in rows}, asked.images, folder / str(number))
            for row in rows:
                for server in chosen[number % len(chosen) :] + chosen[: number % len(chosen)]:
                    for name, cost in measured(server, row, loaded[row.kind].frames, asked.seconds).items():
                        found.setdefault((name, server.name), []).append(cost)
    return found


def _loaded(chosen: Sequence[Server], kinds: set[str], images: int, folder: Path) -> dict[str, Loaded]:
    patient = time.time_ns()  # a peer may hold what an earlier run loaded
    loaded = {kind: write(folder, kind, images, patient=patient) for kind in sorted(kinds)}
    for server in chosen:
        for each in loaded.values():
            server.store(each.files)
    for server in chosen:
        server.rest()
    return loaded


def shown(found: dict[tuple[str, str], list[Cost]]) -> str:
    lines = [f"{'':46} {'':10} {'CPU ms':>8} {'decoders':>8} {'wall ms':>8} {'waits':>6}"]
    for (name, server), costs in sorted(found.items(), key=_order(found)):
        cpu, decoders, wall, waits = (
            statistics.median(getattr(cost, each.name) for cost in costs) for each in fields(Cost)
        )
        lines.append(f"{name:46} {server:10} {cpu:8.2f} {decoders:8.2f} {wall:8.2f} {waits:6.1f}")
    return "\n".join(lines)


def _order(found: dict[tuple[str, str], list[Cost]]) -> Callable[[tuple[tuple[str, str], object]], tuple[int, str]]:
    places = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in found))}
    return lambda each: (places[each[0][0]], each[0][1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.speed.pictures", description=__doc__)
    parser.add_argument("--code", action="append", default=[], metavar="NAME=CHECKOUT", help="instead of this code")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=DICOMWEB_URL,PID", help="running already")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--images", type=int, default=80, help="of each kind; half of them for each cold row")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each warm row; 0 leaves them out")
    parser.add_argument("--only", default="", help="rows whose name this expression is found in")
    parser.add_argument("--folder", type=Path, help="where data is written meanwhile")
    asked = parser.parse_args(namespace=Options())
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        print(shown(run(asked, Path(folder))))


if __name__ == "__main__":
    main()
