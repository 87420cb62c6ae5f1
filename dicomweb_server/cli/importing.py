"""``import``: folders, files and zip archives come in, with the server running or not."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from dicomweb_server import assembly, limits
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.observe import start_logging
from dicomweb_server.settings import SettingsError


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "import",
        help="bring in folders of DICOM files",
        description="Bring in DICOM files: folders at any depth, single files, zip archives, whatever their names. "
        "Safe to run again. Exit code 1 when something was refused.",
    )
    add_common(parser)
    parser.add_argument("paths", metavar="PATH", nargs="*", type=Path)
    parser.add_argument("--sample", action="store_true", help="bring in sample studies that came with the server")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    from dicomweb_server.cli.bar import Bar, JsonLines, Listener
    from dicomweb_server.ingest.importer import Import
    from dicomweb_server.ingest.samples import samples

    paths = [*chosen.paths, *(samples() if chosen.sample else [])]
    if not paths:
        raise SettingsError("import: name a folder or file, or say --sample")
    for path in paths:
        if not path.exists():
            raise SettingsError(f"import: there is no {path}")
    settings, _ = loaded(chosen)
    start_logging("warning", settings.log.format)
    limits.raise_open_files()
    listener: Listener = Bar(sys.stderr, sys.stdout) if sys.stderr.isatty() else JsonLines(sys.stdout)
    with assembly.open_backends(settings) as backends, assembly.open_receive(settings, backends) as receive:
        importing = Import(receive, paths)
        began = time.monotonic()
        full = False
        try:
            for progress in importing:
                listener.step(progress, time.monotonic() - began)
        except OutOfResources as error:
            full = True
            print(f"dicomweb-server: {error}; the rest comes in when you run this again", file=sys.stderr)
    listener.end(progress, importing.unfit, time.monotonic() - began)
    return 1 if full or progress.refused else 0
