from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.signals.base import CHANGED, TICKETS, Signals
from dicomweb_server.signals.datagram import DatagramSignals
from dicomweb_server.signals.memory import MemorySignals


@pytest.fixture(params=["memory", "datagram"])
def signals(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Signals]:
    made: Signals = MemorySignals() if request.param == "memory" else DatagramSignals(tmp_path / "signals")
    made.wait([TICKETS], timeout_seconds=0)  # listening from here on
    yield made
    made.close()


def test_what_is_announced_is_heard(signals: Signals) -> None:
    signals.announce(CHANGED, "1.2/1.2.3")
    assert signals.wait([CHANGED], timeout_seconds=5) == (CHANGED, "1.2/1.2.3")


def test_other_topics_are_not_heard(signals: Signals) -> None:
    signals.announce(CHANGED, "1.2")
    signals.announce(TICKETS)
    assert signals.wait([TICKETS], timeout_seconds=5) == (TICKETS, "")


def test_silence_ends_in_time(signals: Signals) -> None:
    started = time.monotonic()
    assert signals.wait([TICKETS], timeout_seconds=0.1) is None
    assert 0.09 < time.monotonic() - started < 3


def test_every_waiting_thread_hears(signals: Signals) -> None:
    heard: list[tuple[str, str] | None] = []
    barrier = threading.Barrier(4)

    def listen() -> None:
        signals.wait([TICKETS], timeout_seconds=0)
        barrier.wait()
        heard.append(signals.wait([TICKETS], timeout_seconds=10))

    threads = [threading.Thread(target=listen) for _ in range(3)]
    for thread in threads:
        thread.start()
    barrier.wait()
    signals.announce(TICKETS)
    for thread in threads:
        thread.join()
    assert heard == [(TICKETS, "")] * 3


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    signals = DatagramSignals(tmp_path / "signals")
    signals.announce(TICKETS)
    signals.close()


def test_a_listener_that_never_reads_blocks_nobody(tmp_path: Path) -> None:
    signals = DatagramSignals(tmp_path / "signals")
    signals.wait([TICKETS], timeout_seconds=0)
    for _ in range(10_000):
        signals.announce(CHANGED, "1.2")
    signals.close()


def test_other_processes_hear_and_dead_ones_are_swept(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    signals = DatagramSignals(folder)
    code = (
        "import sys; from pathlib import Path; from dicomweb_server.signals.datagram import DatagramSignals\n"
        "s = DatagramSignals(Path(sys.argv[1])); s.wait(['tickets'], timeout_seconds=0); print('ready', flush=True)\n"
        "print(s.wait(['tickets'], timeout_seconds=20), flush=True)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == "ready\n"
        signals.announce(TICKETS, "k")
        assert other.stdout.readline() == "('tickets', 'k')\n"
    assert len(list(signals.folder.iterdir())) == 1
    signals.announce(TICKETS)
    assert list(signals.folder.iterdir()) == []
    signals.close()


def test_a_long_data_folder_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40) / "signals"
    here, there = DatagramSignals(folder), DatagramSignals(folder)
    here.wait([TICKETS], timeout_seconds=0)
    there.announce(TICKETS)
    assert here.wait([TICKETS], timeout_seconds=5) == (TICKETS, "")
    here.close()
    there.close()


def test_the_folder_goes_with_the_last_and_comes_with_the_next(tmp_path: Path) -> None:
    """Of a long path it lay in the temporary folder for ever."""
    first, second = (DatagramSignals(tmp_path / ("deep" * 30)) for _ in range(2))
    first.wait([TICKETS], timeout_seconds=0)
    second.close()
    assert first.folder.exists()
    first.close()
    assert not first.folder.exists()
    third, fourth = (DatagramSignals(tmp_path / ("deep" * 30)) for _ in range(2))
    third.close()
    fourth.wait([TICKETS], timeout_seconds=0)
    fourth.announce(TICKETS)
    assert fourth.wait([TICKETS], timeout_seconds=5) == (TICKETS, "")
    fourth.close()


def test_whoever_comes_while_others_leave_is_heard(tmp_path: Path) -> None:
    def come_and_go(_: int) -> list[tuple[str, str] | None]:
        heard = []
        for _ in range(200):
            signals = DatagramSignals(tmp_path / "signals")
            signals.wait([TICKETS], timeout_seconds=0)
            signals.announce(TICKETS)
            heard.append(signals.wait([TICKETS], timeout_seconds=5))
            signals.close()
        return heard

    with ThreadPoolExecutor(4) as threads:
        heard = [each for some in threads.map(come_and_go, range(4)) for each in some]
    assert heard == [(TICKETS, "")] * 800
    assert not (tmp_path / "signals").exists()


@pytest.mark.parametrize("theirs", ["a link", "open to all"])
def test_a_folder_that_others_made_where_all_may_write_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    far = tmp_path / ("long" * 40) / "signals"
    signals = DatagramSignals(far)
    place = signals.folder
    signals.close()
    assert place.parent == tmp_path
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if theirs == "a link":
        place.symlink_to(elsewhere)
    else:
        elsewhere.rename(place).chmod(0o777)
    with pytest.raises(BackendFailed, match="not a folder of this user alone"):
        DatagramSignals(far)
