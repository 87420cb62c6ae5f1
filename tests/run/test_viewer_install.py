from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from dicomweb_server.cli.viewer import NotInstalled, install
from tests.journeys.server import cli


def archive(folder: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> tuple[Path, str]:
    """A package's archive and its integrity text."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    path = folder / "viewer.tgz"
    path.write_bytes(made.getvalue())
    return path, "sha512-" + base64.b64encode(hashlib.sha512(made.getvalue()).digest()).decode()


BUILD = {"package/dist/index.html": b"<html>", "package/dist/assets/a.js": b"a", "package/package.json": b"{}"}


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_the_build_alone_is_unpacked(tmp_path: Path) -> None:
    path, integrity = archive(tmp_path, BUILD)
    install(path, tmp_path / "viewer", integrity)
    assert below(tmp_path / "viewer") == {"index.html", "assets/a.js"}


def test_an_older_viewer_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer" / "old.js").touch()
    path, integrity = archive(tmp_path, BUILD)
    install(path, tmp_path / "viewer", integrity)
    assert below(tmp_path) == {"viewer.tgz", "viewer/index.html", "viewer/assets/a.js"}


def test_another_archive_is_refused_and_the_older_viewer_stays(tmp_path: Path) -> None:
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer" / "old.js").touch()
    path, _ = archive(tmp_path, BUILD)
    with pytest.raises(NotInstalled, match="checksum"):
        install(path, tmp_path / "viewer")
    assert below(tmp_path / "viewer") == {"old.js"}


@pytest.mark.parametrize("name", ["package/dist/../../../escaped", "package/dist//etc/escaped"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    path, integrity = archive(tmp_path, {**BUILD, name: b"x"})
    with contextlib.suppress(NotInstalled):
        install(path, tmp_path / "inner" / "viewer", integrity)
    assert [each for each in below(tmp_path) if "escaped" in each and not each.startswith("inner/viewer/")] == []
    assert not Path("/etc/escaped").exists()


def test_links_are_left_out(tmp_path: Path) -> None:
    path, integrity = archive(tmp_path, BUILD, {"package/dist/passwords": "/etc/passwd"})
    install(path, tmp_path / "viewer", integrity)
    assert not (tmp_path / "viewer" / "passwords").is_symlink()


def test_an_archive_without_a_viewer_is_refused(tmp_path: Path) -> None:
    path, integrity = archive(tmp_path, {"package/readme": b"x"})
    with pytest.raises(NotInstalled, match="holds no viewer"):
        install(path, tmp_path / "viewer", integrity)


def test_without_npm_a_person_learns_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = cli("viewer", "install", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "npm pack @ohif/app@" in done.stderr
    assert "--from FILE" in done.stderr
