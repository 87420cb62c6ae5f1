"""``verify`` and ``repair``: are the objects those that the catalog names, and is all work done or queued."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.reconcile.audit import Audit
from dicomweb_server.reconcile.lost import queue_lost
from dicomweb_server.signals.base import TICKETS


def add(commands: Commands) -> None:
    verify = commands.add_parser("verify", help="compare the stored files with the catalog, both ways")
    add_common(verify)
    verify.add_argument("--digests", action="store_true", help="read every file and compare its content too")
    verify.set_defaults(run=run_verify)
    repair = commands.add_parser("repair", help="queue lost work again and remove files that belong to nobody")
    add_common(repair)
    repair.set_defaults(run=run_repair)


def run_verify(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    counts: Counter[str] = Counter()
    with assembly.open_backends(settings) as backends:
        for found in Audit(backends.objects, backends.catalog).flaws(digests=chosen.digests):
            counts[found.flaw] += 1
            print(json.dumps({"event": found.flaw, "object": found.object_key}), flush=True)
    print(json.dumps({"event": "done", **counts}))
    return 1 if counts else 0


def run_repair(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends:
        orphans = Audit(backends.objects, backends.catalog).orphans()
        backends.objects.delete(orphans)
        queued = queue_lost(backends.catalog, backends.queue)
        backends.signals.announce(TICKETS)
    print(json.dumps({"event": "done", "queued": queued, "removed": len(orphans)}))
    return 0
