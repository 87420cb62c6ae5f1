"""Looks again and again whether the sources answer and the disks have room, and tells a person when that changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb_server import metrics
from dicomweb_server.notices.base import Notice, Notices, Subject
from dicomweb_server.sources.base import Checked, Source

DOWN_AFTER = 2
"""One missed answer is chance."""


@dataclass(slots=True)
class SourceHealth:
    sources: Mapping[str, Source]
    notices: Notices
    _missed: dict[str, int] = field(default_factory=dict)

    def __call__(self) -> None:
        for name, source in self.sources.items():
            checked = next(iter(source.check()), Checked("nothing to try", True))
            metrics.SOURCE_UP.labels(name).set(int(checked.works))
            missed = self._missed.get(name, 0)
            self._missed[name] = 0 if checked.works else missed + 1
            if not checked.works and missed + 1 == DOWN_AFTER:
                text = f"source {name} does not answer ({checked.what}): {checked.advice}"
                self.notices.send(Notice(Subject.SOURCE_DOWN, name, text))
            elif checked.works and missed >= DOWN_AFTER:
                self.notices.send(Notice(Subject.SOURCE_BACK, name, f"source {name} answers again"))


@dataclass(slots=True)
class DiskHealth:
    """``folders`` by what they are for; those that share a disk are told of once."""

    folders: Mapping[str, Path]
    notices: Notices
    least_free: float = 0.1
    """Share of the disk below which somebody is told."""
    usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage
    _low: set[int] = field(default_factory=set)

    def __call__(self) -> None:
        disks: dict[int, list[tuple[str, Path]]] = {}
        for name, folder in self.folders.items():
            if folder.exists():
                disks.setdefault(folder.stat().st_dev, []).append((name, folder))
        for device, some in disks.items():
            self._look(device, some)

    def _look(self, device: int, some: Sequence[tuple[str, Path]]) -> None:
        size, _, free = self.usage(some[0][1])
        for name, _ in some:
            metrics.DISK_FREE.labels(name).set(free)
            metrics.DISK_SIZE.labels(name).set(size)
        if free >= self.least_free * size:
            self._low.discard(device)
        elif device not in self._low:
            self._low.add(device)
            names = " and ".join(name for name, _ in some)
            text = f"only {free / size:.1%} of the disk of {names} is free ({free >> 20} MiB)"
            self.notices.send(Notice(Subject.DISK_NEARLY_FULL, names, text, {"free_bytes": free, "size_bytes": size}))
