"""``serve``: the server with all its roles, or one role alone."""

from __future__ import annotations

import argparse
import fcntl
import importlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from dicomweb_server import __version__, roles
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model import access
from dicomweb_server.observe import name_process, share_metrics, start_logging
from dicomweb_server.settings import Settings, SettingsError, address
from dicomweb_server.supervisor import Role, Supervisor

log = logging.getLogger(__name__)

SHARED = ("dicomweb_server.catalog.sql", "dicomweb_server.queues.sql", "dicomweb_server.objects.folder")
"""Loaded once, before the fork: what every role needs."""

LOCK = "serve.lock"


def add(commands: Commands) -> None:
    parser = commands.add_parser("serve", help="start the server")
    add_common(parser)
    parser.add_argument("--http", metavar="HOST:PORT", help="where HTTP listens (default: 127.0.0.1:8080)")
    parser.add_argument("--dimse", metavar="HOST:PORT", help="where DICOM listens (default: 127.0.0.1:11112)")
    parser.add_argument("--aet", metavar="NAME", help="our application entity title (default: DICOMWEB)")
    parser.add_argument("--role", choices=("all", "web", "dimse", "worker"), default="all", help="one role alone")
    parser.add_argument(
        "--allow-remote",
        action="store_const",
        const="true",
        help="listen on other addresses than loopback although nobody has to log in",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    role: str = chosen.role
    refuse_remote(settings, role)
    check_keys(settings)
    start_logging(settings.log.level, settings.log.format, requests=settings.log.requests)
    with data_folder(settings, alone=role == "all"):
        share_metrics(settings.data / "metrics", anew=role == "all")
        if role != "all":
            name_process(role)
        if role == "dimse":
            return roles.dimse(settings)
        if role == "worker":
            return roles.worker(settings)
        listening = bound(settings)
        if role == "web":
            return roles.web(settings, listening)
        return supervised(settings, listening)


def supervised(settings: Settings, listening: socket.socket) -> int:
    for name in SHARED:
        importlib.import_module(name)
    web = partial(roles.web, settings, listening)
    names = ["web"] if settings.http.workers == 1 else [f"web-{n}" for n in range(1, settings.http.workers + 1)]
    children = [
        *(Role(name, web) for name in names),
        Role("dimse", partial(roles.dimse, settings)),
        Role("worker", partial(roles.worker, settings)),
    ]
    print(greeting(settings, listening.getsockname()[1]), flush=True)
    return Supervisor(children, stop_seconds=settings.http.stop_seconds + 10.0).run()


def bound(settings: Settings) -> socket.socket:
    """The HTTP socket. Raises SettingsError when it cannot be had."""
    host, port = address(settings.http.listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(f"http.listen: {settings.http.listen}: {os.strerror(error.errno or 0)}") from None


@contextmanager
def data_folder(settings: Settings, *, alone: bool) -> Iterator[None]:
    """Hold the data folder: one whole server, or several roles. Raises SettingsError when another has it."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(settings.data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise SettingsError(f"storage.data: {settings.data}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(
            f"another server runs on {settings.data}; stop it, or name another folder with --data"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def refuse_remote(settings: Settings, role: str) -> None:
    """Raises SettingsError for an address that others can reach, unless that is allowed or a key is asked for."""
    listening = {"web": ["http"], "dimse": ["dimse"], "worker": []}.get(role, ["http", "dimse"])
    for section in listening:
        given: str = getattr(settings, section).listen
        guarded = settings.access.allow_remote or (section == "http" and settings.access.keys)
        if not guarded and not is_loopback(address(given)[0]):
            keys = ", name a file of keys by access.keys," if section == "http" else ""
            raise SettingsError(
                f"{section}.listen: {given} can be reached from other machines, and nobody has to log in. "
                f"Listen on 127.0.0.1{keys} or say --allow-remote when the network is trusted."
            )


def check_keys(settings: Settings) -> None:
    """Raises SettingsError where a file of keys is named and cannot be read."""
    if not settings.access.keys:
        return
    try:
        access.parsed(Path(settings.access.keys).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"access.keys: {error.strerror}; dicomweb-server key make writes the file") from None
    except ValueError as error:
        raise SettingsError(f"access.keys: {error}") from None


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def greeting(settings: Settings, port: int) -> str:
    """Where everything is."""
    host = address(settings.http.listen)[0]
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    here = f"http://{shown}:{port}"
    has_viewer = (settings.viewer / "index.html").is_file()
    lines = {
        "Start page": f"{here}/",
        "Viewer": f"{here}/viewer/" if has_viewer else "not installed; run: dicomweb-server viewer install",
        "DICOMweb": f"{here}{settings.http.root}",
        "DICOM": f"{settings.dimse.aet} at {settings.dimse.listen}",
        "Data": str(settings.data),
    }
    width = max(map(len, lines)) + 2
    body = "\n".join(f"  {name + ':':<{width}}{text}" for name, text in lines.items())
    stop = "\nCtrl-C stops it." if sys.stdout.isatty() else ""
    return f"dicomweb-server {__version__}\n{body}{stop}"
