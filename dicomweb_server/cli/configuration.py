"""``config``: the settings in force, and where each value came from. What it prints is a settings file."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

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
        print(f"{each.key.partition('.')[2]} = {shown(each.value)}  # {each.origin}")
    return 0


def shown(value: Any) -> str:
    """A value as TOML, without the password that an address may hold."""
    if isinstance(value, str):
        value = re.sub(r"(://[^:/@]*:)[^@/]*@", r"\1***@", value)
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
