"""``config``: the settings in force, and where each value came from. What it prints is a settings file."""

from __future__ import annotations

import argparse
import json

from dicomweb_server.cli.flags import Commands, add_common, loaded


def add(commands: Commands) -> None:
    parser = commands.add_parser("config", help="show the settings in force and where they came from")
    add_common(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    _, given = loaded(chosen)
    section = ""
    for each in given:
        if each.key.partition(".")[0] != section:
            print("" if not section else "\n", end="")
            section = each.key.partition(".")[0]
            print(f"[{section}]")
        value = json.dumps(list(each.value) if isinstance(each.value, tuple) else each.value, ensure_ascii=False)
        print(f"{each.key.partition('.')[2]} = {value}  # {each.origin}")
    return 0
