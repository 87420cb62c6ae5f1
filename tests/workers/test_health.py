"""Sources that fall silent and disks that fill are told of once, and again when that is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from dicomweb_server.notices.base import Notice, Subject
from dicomweb_server.sources.base import Checked, Source
from dicomweb_server.sources.dicomweb import DicomwebSource
from dicomweb_server.workers.health import DiskHealth, SourceHealth
from tests.ports import free_port


@dataclass
class Kept:
    sent: list[Notice] = field(default_factory=list)

    def send(self, notice: Notice) -> None:
        self.sent.append(notice)

    @property
    def subjects(self) -> list[Subject]:
        return [notice.subject for notice in self.sent]


@dataclass
class Moody:
    """A source that works or not, as the test says."""

    works: bool = True

    def check(self) -> Iterator[Checked]:
        yield Checked("C-ECHO", self.works, "" if self.works else "no answer")


def test_a_source_is_told_of_when_it_is_down_and_when_it_is_back() -> None:
    source, kept = Moody(), Kept()
    look = SourceHealth({"hospital": cast(Source, source)}, kept)
    told = []
    for works in (True, False, True, False, False, False, True, True):
        source.works = works
        look()
        told.append(kept.subjects[:])
    assert told[3] == [], "one missed answer is chance"
    assert told[4:6] == [[Subject.SOURCE_DOWN]] * 2
    assert told[-1] == [Subject.SOURCE_DOWN, Subject.SOURCE_BACK]
    assert kept.sent[0].about == "hospital"
    assert "C-ECHO" in kept.sent[0].text


def test_a_real_source_that_nobody_listens_for_is_down() -> None:
    source = DicomwebSource("gone", f"http://127.0.0.1:{free_port()}/dicomweb", attempts=1)
    kept = Kept()
    look = SourceHealth({"gone": source}, kept)
    look()
    look()
    assert kept.subjects == [Subject.SOURCE_DOWN]
    source.close()


def test_a_disk_is_told_of_once_each_time_it_fills(tmp_path: Path) -> None:
    free, kept = 50, Kept()
    folders = {"data": tmp_path, "objects": tmp_path, "missing": tmp_path / "nowhere"}
    look = DiskHealth(folders, kept, 0.1, usage=lambda folder: (100, 100 - free, free))
    for now in (50, 10, 9, 5, 10, 4):
        free = now
        look()
    assert kept.subjects == [Subject.DISK_NEARLY_FULL] * 2
    assert kept.sent[0].about == "data and objects"
    assert kept.sent[0].facts == {"free_bytes": 9, "size_bytes": 100}
