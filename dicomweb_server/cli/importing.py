"""``import``: folders, files and zip archives come in, with the server running or not."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dicomweb_server import assembly, limits
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.observe import start_logging
from dicomweb_server.settings import Settings, SettingsError


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
    if not (chosen.paths or chosen.sample):
        raise SettingsError("import: name a folder or file, or say --sample")
    for path in chosen.paths:
        if not path.exists():
            raise SettingsError(f"import: there is no {path}")
    settings, _ = loaded(chosen)
    if not chosen.sample:
        return bring_in(settings, chosen.paths)
    with tempfile.TemporaryDirectory(prefix="samples-") as folder:
        return bring_in(settings, [*chosen.paths, *samples(Path(folder))])


def samples(folder: Path) -> list[Path]:
    """What to import: a study made now, in ``folder``, and those that came with what we depend on."""
    from dicomweb_server.samples.head import write_head
    from dicomweb_server.samples.shipped import shipped

    write_head(folder)
    return [folder, *shipped()]


def bring_in(settings: Settings, paths: Sequence[Path]) -> int:
    from dicomweb_server.cli.bar import Bar, JsonLines, Listener
    from dicomweb_server.ingest.importer import Import

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
