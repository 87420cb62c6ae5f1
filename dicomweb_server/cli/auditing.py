"""``verify`` and ``repair``: are the objects those that the catalog names, and is all work done or queued."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.ids import StudyKey, uid
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.reconcile.audit import Audit
from dicomweb_server.reconcile.repair import repair
from dicomweb_server.signals.base import TICKETS

TOGETHER = 500


def add(commands: Commands) -> None:
    verify = commands.add_parser("verify", help="compare the stored files with the catalog, both ways")
    add_common(verify)
    verify.add_argument("--digests", action="store_true", help="read every file and compare its content too")
    verify.set_defaults(run=run_verify)
    mend = commands.add_parser("repair", help="mend what verify finds, as far as that can be done here")
    add_common(mend)
    mend.add_argument("--digests", action="store_true", help="read every file and compare its content too")
    mend.set_defaults(run=run_repair)
    reindex = commands.add_parser(
        "reindex",
        help="derive everything of studies anew from their files",
        description="Derive everything of studies anew from their files, in the background while the server serves: "
        "metadata, search attributes, thumbnails. What is not done when it stops is done when it starts again.",
    )
    add_common(reindex)
    reindex.add_argument("studies", metavar="STUDY_UID", nargs="*", help="which; all when none is named")
    reindex.set_defaults(run=run_reindex)


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
        mended = repair(backends.objects, backends.catalog, backends.queue, digests=chosen.digests)
        backends.signals.announce(TICKETS)
    failed = {"lost": mended.lost, "damaged": mended.damaged}
    for event, keys in failed.items():
        for key in keys:
            print(json.dumps({"event": event, "study": key.study, "series": key.series, "instance": key.instance}))
    counts = {name: getattr(mended, name) for name in ("queued", "removed", "rewritten", "announced")}
    print(json.dumps({"event": "done", **counts, **{event: len(keys) for event, keys in failed.items()}}))
    return 1 if any(failed.values()) else 0


def run_reindex(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends:
        named = [StudyKey(uid(each, "Study Instance UID")) for each in chosen.studies]
        keys = named or backends.catalog.mending.studies()
        for start in range(0, len(keys), TOGETHER):
            backends.queue.put([Ticket(Kind.REINDEX, key) for key in keys[start : start + TOGETHER]])
            done = min(start + TOGETHER, len(keys))
            print(json.dumps({"event": "progress", "queued": done, "of": len(keys)}), flush=True)
        backends.signals.announce(TICKETS)
    print(json.dumps({"event": "done", "studies": len(keys)}))
    return 0
