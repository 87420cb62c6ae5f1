"""``dead-letters``: tickets that were given up, with their reasons; send them again or forget them."""

from __future__ import annotations

import argparse
import json

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.queues.base import DeadLetter, Queue
from dicomweb_server.settings import SettingsError
from dicomweb_server.signals.base import TICKETS

PAGE = 500


def add(commands: Commands) -> None:
    parser = commands.add_parser("dead-letters", help="list, requeue or drop tickets that were given up")
    add_common(parser)
    parser.add_argument("action", choices=("list", "requeue", "drop"))
    parser.add_argument("ids", metavar="ID", nargs="*", type=int, help="which; without any, requeue takes all")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends:
        queue = backends.queue
        if chosen.action == "list":
            for letter in every(queue):
                print(json.dumps(shown(letter)))
        elif chosen.action == "requeue":
            count = queue.redrive(chosen.ids or [letter.id for letter in every(queue)])
            backends.signals.announce(TICKETS)
            print(json.dumps({"event": "done", "requeued": count}))
            return 1 if count < len(set(chosen.ids)) else 0
        elif not chosen.ids:
            raise SettingsError("dead-letters drop: say which, by the ids of dead-letters list")
        else:
            count = queue.drop(chosen.ids)
            print(json.dumps({"event": "done", "dropped": count}))
            return 1 if count < len(set(chosen.ids)) else 0
    return 0


def every(queue: Queue) -> list[DeadLetter]:
    letters: list[DeadLetter] = []
    while some := queue.dead_letters(limit=PAGE, offset=len(letters)):
        letters += some
    return letters


def shown(letter: DeadLetter) -> dict[str, str | int | float]:
    key = letter.ticket.key
    return {
        "id": letter.id,
        "kind": letter.ticket.kind,
        "study": key.study,
        **({"series": key.series} if isinstance(key, SeriesKey | InstanceKey) else {}),
        **({"instance": key.instance} if isinstance(key, InstanceKey) else {}),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "died": letter.died,
    }
