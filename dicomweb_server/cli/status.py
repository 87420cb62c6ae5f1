"""``status``: how much is here, how far along all of it or one study is, what waits, and what failed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey, uid
from dicomweb_server.model.states import State
from dicomweb_server.retrieve import standing
from dicomweb_server.settings import Settings, SettingsError

LEVELS = ("Study Instance UID", "Series Instance UID", "SOP Instance UID")
PAGE = 500
MOST = 1_000_000
"""Instances of a series that are shown."""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "status",
        help="show what is stored, what waits to be done and what failed",
        description="Show what is stored and what waits to be done; or how far along one study, series or instance is, "
        "with attempts, reasons and the next attempt, as /api/v1 tells it; or every instance that failed.",
    )
    add_common(parser)
    parser.add_argument("uids", metavar="UID", nargs="*", help="Study, Series and SOP Instance UID, in this order")
    parser.add_argument("--failed", action="store_true", help="a JSON line for each instance that failed")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    if not settings.data.is_dir():
        raise SettingsError(f"storage.data: there is no folder {settings.data}")
    if chosen.failed:
        return list_failed(settings)
    if chosen.uids:
        print(json.dumps(of_one(settings, chosen.uids), indent=2 if sys.stdout.isatty() else None))
        return 0
    found = report(settings)
    print(text(found) if sys.stdout.isatty() else json.dumps(found))
    return 0


def of_one(settings: Settings, given: Sequence[str]) -> dict[str, Any]:
    """Raises SettingsError for what are no UIDs, NotFound."""
    if len(given) > len(LEVELS):
        raise SettingsError("status: a Study, a Series and a SOP Instance UID are all it takes")
    try:
        names = [uid(text, name) for text, name in zip(given, LEVELS, strict=False)]
    except BadRequest as error:
        raise SettingsError(f"status: {error}") from None
    with assembly.open_backends(settings) as backends:
        match names:
            case [study]:
                return standing.of_study(backends.catalog, StudyKey(study))
            case [study, series]:
                return standing.of_series(backends.catalog, SeriesKey(study, series), limit=MOST)
            case _:
                return standing.of_instance(backends.catalog, InstanceKey(*names))


def list_failed(settings: Settings) -> int:
    """Exit code 1 where there are any."""
    count = 0
    with assembly.open_backends(settings) as backends:
        while some := standing.in_state(backends.catalog, State.FAILED, limit=PAGE, offset=count):
            for each in some:
                print(json.dumps(each))
            count += len(some)
    return 1 if count else 0


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
