"""``viewer install``: OHIF, fetched with the npm client, checked, and unpacked where the server serves it."""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from dicomweb_server.cli.flags import Commands, add_common, loaded

PACKAGE = "@ohif/app@3.13.2"
INTEGRITY = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
"""Of the package's archive, as the registry states it."""

BUILD = "package/dist/"
NPM_SECONDS = 600

BY_HAND = f"""Run this on a machine that has npm:
    npm pack {PACKAGE}
and then here, with the file it made:
    dicomweb-server viewer install --from FILE"""


class NotInstalled(OSError):
    """The viewer could not be installed; the text says what to do."""


def add(commands: Commands) -> None:
    viewer = commands.add_parser("viewer", help="install the OHIF viewer")
    actions = viewer.add_subparsers(required=True, metavar="ACTION")
    parser = actions.add_parser("install", help=f"fetch {PACKAGE}, check it, and serve it at /viewer")
    add_common(parser)
    parser.add_argument("--from", dest="archive", metavar="FILE", type=Path, help="an archive made by npm pack")
    parser.add_argument("--if-missing", action="store_true", help="do nothing when a viewer is installed")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    if chosen.if_missing and (settings.viewer / "index.html").is_file():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        archive = chosen.archive or fetched(Path(folder))
        install(archive, settings.viewer)
    print(f"{PACKAGE} is in {settings.viewer}; the server serves it at /viewer/")
    return 0


def fetched(folder: Path) -> Path:
    """The package's archive, in ``folder``. Raises NotInstalled."""
    if shutil.which("npm") is None:
        raise NotInstalled(f"npm is not installed, so the viewer cannot be fetched.\n{BY_HAND}")
    print(f"Fetching {PACKAGE} with npm ...", flush=True)
    command = ["npm", "pack", PACKAGE, "--pack-destination", str(folder), "--silent"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_SECONDS, cwd=folder, check=False)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm took longer than {NPM_SECONDS} seconds.\n{BY_HAND}") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise NotInstalled(f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-500:]}\n{BY_HAND}")
    return archives[0]


def install(archive: Path, target: Path, integrity: str = INTEGRITY) -> None:
    """Check ``archive`` and unpack its build as ``target``, replacing what was there. Raises NotInstalled."""
    try:
        found = integrity_of(archive)
    except OSError as error:
        raise NotInstalled(f"{archive}: {error.strerror}") from None
    if not hmac.compare_digest(found, integrity):
        raise NotInstalled(f"{archive.name} is not {PACKAGE}: its checksum is another one. Nothing was installed.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        unpack(archive, fresh)
        fresh.chmod(0o755)
        _swap(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def integrity_of(archive: Path) -> str:
    with archive.open("rb") as file:
        return "sha512-" + base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def unpack(archive: Path, target: Path) -> None:
    """The plain files of the build, below ``target`` and nowhere else. Raises NotInstalled."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() and member.name.startswith(BUILD) else None
                if content is not None:
                    _write(content, _below(target, member.name.removeprefix(BUILD)))
    except (tarfile.TarError, EOFError) as error:
        raise NotInstalled(f"{archive.name} is broken: {error}") from None
    if not (target / "index.html").is_file():
        raise NotInstalled(f"{archive.name} holds no viewer")


def _below(target: Path, name: str) -> Path:
    """Where ``name`` belongs. Written by hand: extraction filters came to Python 3.11 with its fourth revision."""
    place = target.joinpath(*name.split("/"))
    if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise NotInstalled(f"the archive names a file outside of its folder: {name}")
    return place


def _write(content: IO[bytes], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        shutil.copyfileobj(content, file)


def _swap(fresh: Path, target: Path) -> None:
    old = fresh.with_name(fresh.name + "-old")
    try:
        target.rename(old)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise NotInstalled(f"{target}: {error.strerror}") from None
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
