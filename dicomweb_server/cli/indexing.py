"""``index``: further attributes (``search.indexed``) of what is already here, while the server serves."""

from __future__ import annotations

import argparse
import json
import sys

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.settings import SettingsError


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "index",
        help="index the attributes that search.indexed names, of what is already here",
        description="Index the attributes that search.indexed names, of what is already here. Restart the server with "
        "the setting first: it indexes what arrives. Stopped half way, it goes on from there.",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    if not settings.search.indexed:
        raise SettingsError("index: search.indexed names no attribute")
    with assembly.open_backends(settings) as backends:
        done = None
        while (step := backends.catalog.indexing.step()) is not None:
            done = step
            print(json.dumps({"event": "progress", "studies": step.studies, "of": step.total}), flush=True)
    if done is None:
        print("everything is indexed already", file=sys.stderr)
    print(json.dumps({"event": "done", "studies": done.total if done else 0}))
    return 0
