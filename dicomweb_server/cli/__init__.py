"""The command line: one file for each command, each with ``add`` (its flags) and ``run`` (its exit code).

Exit codes: 0 all well, 1 it did not work or something was refused, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dicomweb_server import __version__
from dicomweb_server.cli import (
    auditing,
    configuration,
    deadletters,
    importing,
    indexing,
    keys,
    serve,
    sources,
    status,
    viewer,
)
from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.settings import SettingsError

COMMANDS = (serve, importing, viewer, status, auditing, indexing, deadletters, sources, keys, configuration)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    parser = argparse.ArgumentParser(prog="dicomweb-server", description="A DICOMweb image server.")
    parser.add_argument("--version", action="version", version=f"dicomweb-server {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except SettingsError as error:
        return fail(str(error), 2)
    except (DicomwebError, OSError) as error:
        return fail(str(error), 1)
    except KeyboardInterrupt:
        return 130
    return code


def fail(text: str, code: int) -> int:
    print(f"dicomweb-server: {text}", file=sys.stderr)
    return code
