"""``key``: make a key that lets a program or a person in, list keys, and withdraw one."""

from __future__ import annotations

import argparse
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model import access
from dicomweb_server.model.access import Key, Right
from dicomweb_server.settings import SettingsError


def add(commands: Commands) -> None:
    parser = commands.add_parser("key", help="make, list or withdraw keys, where access.keys names their file")
    add_common(parser)
    parser.add_argument("action", choices=("make", "list", "withdraw"))
    parser.add_argument("name", metavar="NAME", nargs="?", help="whose key it is")
    parser.add_argument(
        "--rights", metavar="RIGHT,...", default="read", help=f"of {', '.join(Right)}; read unless others are named"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    if not settings.access.keys:
        raise SettingsError("key: access.keys names no file for them; --set access.keys=FILE does for once")
    if chosen.action != "list" and not chosen.name:
        raise SettingsError(f"key {chosen.action}: say whose, by NAME")
    with _kept(Path(settings.access.keys)) as file:
        text = file.read_text("utf-8")
        known = {key.name: key for key in _parsed(text).values()}
        match chosen.action:
            case "list":
                for key in known.values():
                    print(key.name, ",".join(sorted(key.rights)))
            case "make":
                return _make(file, text, known, chosen)
            case "withdraw":
                return _withdraw(file, text, known, chosen.name)
    return 0


def _make(file: Path, text: str, known: dict[str, Key], chosen: argparse.Namespace) -> int:
    if chosen.name in known:
        raise SettingsError(f"key make: {chosen.name} has one already; withdraw it first")
    try:
        secret, key = access.made(chosen.name, [Right(each.strip()) for each in chosen.rights.split(",")])
    except ValueError as error:
        raise SettingsError(f"key make: {error}") from None
    _write(file, text + ("" if text.endswith("\n") or not text else "\n") + key.line() + "\n")
    print(secret)
    return 0


def _withdraw(file: Path, text: str, known: dict[str, Key], name: str) -> int:
    if name not in known:
        raise SettingsError(f"key withdraw: there is no key of {name}")
    kept = [line for line in text.splitlines() if line.partition("#")[0].split()[:1] != [name]]
    _write(file, "".join(f"{line}\n" for line in kept))
    return 0


def _parsed(text: str) -> dict[str, Key]:
    try:
        return access.parsed(text)
    except ValueError as error:
        raise SettingsError(f"access.keys: {error}") from None


@contextmanager
def _kept(file: Path) -> Iterator[Path]:
    """The file, made where there is none, with nobody else changing it meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        yield file
    finally:
        os.close(lock)


def _write(file: Path, text: str) -> None:
    """In one step: servers read it at any time."""
    draft = file.with_name(file.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(descriptor)
    draft.replace(file)
