"""``status``: how much is here, how far along it is, and what waits."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.settings import Settings, SettingsError


def add(commands: Commands) -> None:
    parser = commands.add_parser("status", help="show what is stored and what waits to be done")
    add_common(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    if not settings.data.is_dir():
        raise SettingsError(f"storage.data: there is no folder {settings.data}")
    found = report(settings)
    print(text(found) if sys.stdout.isatty() else json.dumps(found))
    return 0


def report(settings: Settings) -> dict[str, Any]:
    with assembly.open_backends(settings) as backends:
        stats = backends.queue.stats()
        tickets = {
            "waiting": sum(stats.waiting.values()),
            "delayed": stats.delayed,
            "at work": stats.leased,
            "given up": stats.dead,
        }
        return {"data": str(settings.data), "holds": backends.catalog.progress.totals(), "tickets": tickets}


def text(found: dict[str, Any]) -> str:
    lines = [f"{found['data']}"]
    for part in ("holds", "tickets"):
        lines.append(f"  {part}:")
        lines += [f"    {name:<12}{count:>12,}" for name, count in found[part].items()]
    return "\n".join(lines)
