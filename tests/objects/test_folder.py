from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.objects.base import Staged
from dicomweb_server.objects.folder import FolderStore

KEY = "instances/1.2/1.2.3/1.2.3.4-abc.dcm"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "new" / "objects")


def staged(store: FolderStore, body: bytes, key: str = KEY) -> Staged:
    path = store.staging() / os.urandom(8).hex()
    path.write_bytes(body)
    return Staged(path, key)


def test_the_key_is_the_path(store: FolderStore, tmp_path: Path) -> None:
    store.adopt([staged(store, b"x")])
    assert (tmp_path / "new" / "objects" / KEY).read_bytes() == b"x"
    assert store.local(KEY) == str(tmp_path / "new" / "objects" / KEY)


def test_a_failed_batch_may_be_adopted_again(store: FolderStore) -> None:
    whole, missing = staged(store, b"x"), Staged(store.staging() / "gone", KEY + "2")
    with pytest.raises(BackendFailed):
        store.adopt([whole, missing])
    store.adopt([whole])
    assert store.stat(KEY).size == 1


def test_a_link_that_was_made_before_a_crash_is_taken_as_done(store: FolderStore) -> None:
    arrival = staged(store, b"x")
    target = Path(str(store.local(KEY)))
    target.parent.mkdir(parents=True)
    os.link(arrival.path, target)
    store.adopt([arrival])
    assert not arrival.path.exists()
    assert store.stat(KEY).size == 1


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a//b", "../a", "a/../../b", "a/.", ".staging/x"])
def test_a_key_never_leaves_the_folder(store: FolderStore, key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        store.local(key)


def test_deleting_the_last_instance_leaves_no_folders(store: FolderStore, tmp_path: Path) -> None:
    store.adopt([staged(store, b"x")])
    store.delete([KEY])
    assert [path.name for path in (tmp_path / "new" / "objects").iterdir()] == [".staging"]


def test_adopting_survives_a_neighbour_that_deletes(store: FolderStore) -> None:
    done = threading.Event()

    def neighbour() -> None:
        while not done.is_set():
            store.delete(["instances/1.2/1.2.3/0-0.dcm"])

    thread = threading.Thread(target=neighbour)
    thread.start()
    try:
        for number in range(200):
            key = f"instances/1.2/1.2.3/{number}-a.dcm"
            store.adopt([staged(store, b"x", key)])
            store.delete([key])
    finally:
        done.set()
        thread.join()
    assert list(store.list()) == []


def test_a_folder_that_cannot_be_made_is_named_as_the_trouble_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackendFailed) as caught:
        FolderStore(tmp_path / "file" / "objects")
    assert str(tmp_path) not in str(caught.value)


def test_the_folders_above_are_synced_once_and_again_when_made_anew(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(descriptor: int, fsync: Callable[[int], None] = os.fsync) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(f"{tmp_path}/new/objects"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    folder, above = "/instances/1.2/1.2.3", ["/instances/1.2", "/instances", ""]
    for number, folders in enumerate([[folder, *above], [folder], [folder, *above]]):
        synced.clear()
        if number == 2:
            store.delete([f"instances/1.2/1.2.3/{each}.dcm" for each in range(number)])
        store.adopt([staged(store, b"x", f"instances/1.2/1.2.3/{number}.dcm")])
        assert synced[1:] == folders


def test_no_more_folders_are_held_open_than_a_few(store: FolderStore, tmp_path: Path) -> None:
    for number in range(70):
        store.adopt([staged(store, b"x", f"instances/1.2/1.2.{number}/0.dcm")])
    held = [Path(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
    folders = [each for each in held if each.is_symlink() and os.readlink(each).startswith(f"{tmp_path}/new")]
    store.close()
    assert len(folders) == 64
