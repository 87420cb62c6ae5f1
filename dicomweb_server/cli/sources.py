"""``doctor`` and ``fetch``: what a source can do, and bringing a study here before anybody asks for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dicomweb_server import assembly
from dicomweb_server.cli.flags import Commands, add_common, loaded
from dicomweb_server.model.errors import DicomwebError
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey, uid
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.settings import SettingsError
from dicomweb_server.signals.base import TICKETS
from dicomweb_server.sources.base import Checked


def add(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="try what a source can do, and say what to set where it cannot")
    add_common(doctor)
    doctor.add_argument("source", metavar="SOURCE", help="its name in the settings")
    doctor.set_defaults(run=run_doctor)
    fetch = commands.add_parser("fetch", help="announce studies from the sources and queue them for the worker")
    add_common(fetch)
    fetch.add_argument("studies", metavar="STUDY_UID", nargs="+")
    fetch.add_argument("--again", action="store_true", help="also what was deleted here, which stays away otherwise")
    fetch.set_defaults(run=run_fetch)
    purge = commands.add_parser("purge", help="let go of what the sources can send again; it stays searchable")
    add_common(purge)
    _add_scope(purge)
    purge.set_defaults(run=run_purge)
    pin = commands.add_parser("pin", help="keep what is cached of a study, whatever the bounds of the cache")
    add_common(pin)
    _add_scope(pin)
    pin.add_argument("--off", action="store_true", help="no longer")
    pin.set_defaults(run=run_pin)


def run_doctor(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends, assembly.open_sources(settings, backends) as sources:
        if chosen.source not in sources:
            raise SettingsError(f"doctor: there is no source {chosen.source!r}, only {', '.join(sources) or 'none'}")
        tried = list(sources[chosen.source].check())
    print(report(tried))
    return 0 if all(each.works for each in tried if each.needed) else 1


def run_fetch(chosen: argparse.Namespace) -> int:
    from dicomweb_server.ingest.collect import Collect

    settings, _ = loaded(chosen)
    failed = 0
    with assembly.open_backends(settings) as backends, assembly.open_sources(settings, backends) as sources:
        collect = Collect(backends.catalog, list(sources.values()))
        for study in chosen.studies:
            try:
                key = StudyKey(uid(study, "Study Instance UID"))
                if chosen.again:
                    backends.catalog.pulling.revive(key)
                source = collect(key)
            except DicomwebError as error:
                failed += 1
                print(f"dicomweb-server: {error}", file=sys.stderr)
                continue
            missing = backends.catalog.pulling.missing(key)
            backends.catalog.pulling.want([Ticket(Kind.FETCH, each.key, Band.EAGER) for each in missing])
            backends.signals.announce(TICKETS)
            print(f"{study}: {len(missing)} instances queued from {source}")
    return 1 if failed else 0


def run_purge(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends:
        gone = assembly.eviction(settings, backends).purge(_scope(chosen))
    print(f"{gone} instances left the cache")
    return 0


def run_pin(chosen: argparse.Namespace) -> int:
    settings, _ = loaded(chosen)
    with assembly.open_backends(settings) as backends:
        count = backends.catalog.caching.pin(_scope(chosen), pinned=not chosen.off)
    print(f"{count} instances are {'no longer ' if chosen.off else ''}kept")
    return 0 if count else 1


def _add_scope(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uids", metavar="UID", nargs="+", help="of a study, and where wanted of a series and instance")


def _scope(chosen: argparse.Namespace) -> Scope:
    uids = [uid(each, "UID") for each in chosen.uids]
    match uids:
        case [study]:
            return StudyKey(study)
        case [study, series]:
            return SeriesKey(study, series)
        case [study, series, instance]:
            return InstanceKey(study, series, instance)
    raise SettingsError("at most three UIDs: of a study, a series and an instance")


def report(tried: Sequence[Checked]) -> str:
    return "\n".join(_line(each) for each in tried)


def _line(tried: Checked) -> str:
    verdict = "ok  " if tried.works else "FAIL" if tried.needed else "no  "
    return f"{verdict} {tried.what}" + (f": {tried.advice}" if tried.advice else "")
