"""How an import tells of its progress: a bar for a person, JSON lines for a program."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol, TextIO

from dicomweb_server.ingest.finding import Unfit
from dicomweb_server.ingest.importer import Progress

BAR_SECONDS = 0.1
LINE_SECONDS = 5.0
SHOWN = 50
"""Refused files listed on a terminal; a program gets them all."""


class Listener(Protocol):
    def step(self, progress: Progress, seconds: float) -> None: ...

    def end(self, progress: Progress, unfit: Sequence[Unfit], seconds: float) -> None: ...


class Bar:
    """Draws on ``terminal``, and writes the closing report to ``output``."""

    def __init__(self, terminal: TextIO, output: TextIO) -> None:
        self._terminal = terminal
        self._output = output
        self._drawn = 0.0

    def step(self, progress: Progress, seconds: float) -> None:
        if seconds - self._drawn >= BAR_SECONDS:
            self._drawn = seconds
            self._terminal.write("\r\x1b[2K" + drawn(progress, seconds, shutil.get_terminal_size().columns - 1))
            self._terminal.flush()

    def end(self, progress: Progress, unfit: Sequence[Unfit], seconds: float) -> None:
        self._terminal.write("\r\x1b[2K")
        self._terminal.flush()
        print(closing(progress, unfit, seconds), file=self._output)


class JsonLines:
    """One object a line: progress now and then, every file that did not come in, and last the totals."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._written = 0.0

    def step(self, progress: Progress, seconds: float) -> None:
        if seconds - self._written >= LINE_SECONDS:
            self._written = seconds
            self._line("progress", **asdict(progress), seconds=round(seconds, 1))

    def end(self, progress: Progress, unfit: Sequence[Unfit], seconds: float) -> None:
        for each in unfit:
            self._line("ignored" if each.foreign else "refused", file=each.name, reason=each.reason)
        self._line("done", **asdict(progress), seconds=round(seconds, 1))

    def _line(self, event: str, **values: object) -> None:
        print(json.dumps({"event": event, **values}, ensure_ascii=False), file=self._output, flush=True)


def drawn(progress: Progress, seconds: float, width: int) -> str:
    """One line, at most ``width`` wide."""
    rate = progress.done / seconds if seconds else 0.0
    speed = f"{rate:,.0f} files/s, {_bytes(progress.size / seconds if seconds else 0)}/s"
    total = f"{progress.found:,}" if progress.searched else f"{progress.found:,}+"
    text = f" {progress.done:,}/{total}  {speed}"
    if progress.searched and rate:
        text += f", {_time((progress.found - progress.done) / rate)} left"
    if progress.refused:
        text += f", {progress.refused:,} refused"
    room = max(0, min(40, width - len(text) - 2))
    full = room * progress.done // max(1, progress.found)
    return f"[{'#' * full}{'.' * (room - full)}]{text}"[:width]


def closing(progress: Progress, unfit: Sequence[Unfit], seconds: float) -> str:
    counts = {
        "stored": progress.stored,
        "replaced": progress.replaced,
        "here already": progress.same,
        "kept the first": progress.kept_first,
        "refused": progress.refused,
        "not DICOM images": progress.foreign,
    }
    lines = [f"{progress.done:,} files, {_bytes(progress.size)} in {_time(seconds)}"]
    lines += [f"  {count:>10,} {name}" for name, count in counts.items() if count]
    refused = [each for each in unfit if not each.foreign]
    lines += [f"refused: {each.name}: {each.reason}" for each in refused[:SHOWN]]
    if len(refused) > SHOWN:
        lines.append(f"... and {len(refused) - SHOWN:,} more")
    return "\n".join(lines)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _time(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d} h"
