from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.assembly import open_backends
from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.cli import main
from dicomweb_server.ingest.eviction import Evict
from dicomweb_server.loading import load
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.messages import Kind, Ticket
from dicomweb_server.model.records import Door, Origin
from dicomweb_server.model.states import State
from dicomweb_server.objects.base import ObjectInfo
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit, Flaw, Found
from dicomweb_server.reconcile.lost import queue_lost
from dicomweb_server.reconcile.moot import drop_moot
from dicomweb_server.reconcile.repair import repair
from dicomweb_server.reconcile.series import ReconcileSeries
from dicomweb_server.signals.memory import MemorySignals
from tests import corpus
from tests.holding import Holding, holding

NAME, OTHER = "generated/ts/ct_evle.dcm", "generated/mod/sr_enhanced.dcm"


def test_what_was_stored_passes_with_its_digest(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        held.take_all([NAME])
        assert list(Audit(held.objects, held.catalog).flaws(digests=True)) == []


@pytest.mark.parametrize("flaw", [Flaw.MISSING, Flaw.SIZE, Flaw.DIGEST])
def test_a_damaged_object_is_named(tmp_path: Path, flaw: Flaw) -> None:
    with holding(tmp_path) as held:
        key = held.take_all([NAME])[NAME]
        name = held.catalog.holdings.version(key).object_key
        body = (held.objects._root / name).read_bytes()
        changed = {Flaw.SIZE: body[:-2], Flaw.DIGEST: body[:-1] + bytes([body[-1] ^ 1])}
        if flaw is Flaw.MISSING:
            held.objects.delete([name])
        else:
            held.objects.replace(name, changed[flaw])
        assert list(Audit(held.objects, held.catalog).flaws(digests=True)) == [Found(flaw, name, key)]


def test_an_orphan_is_one_only_after_its_grace(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        held.take_all([NAME])
        held.objects.replace("instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
        held.objects.replace("tenants/other/instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
        held.objects.replace("notes/by/hand.txt", b"no object of ours")
        assert list(Audit(held.objects, held.catalog).orphans()) == []
        found = Audit(held.objects, held.catalog, grace_seconds=-60, wait=lambda _: False).orphans()
        assert sorted(found) == ["instances/1.2/1.3/1.4-ab.dcm", "tenants/other/instances/1.2/1.3/1.4-ab.dcm"]


def test_a_lost_document_is_named_and_written_anew(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        series = held.take_all([NAME])[NAME].of_series
        reconcile, ticket = ReconcileSeries(held.objects, held.catalog, quiet_seconds=0), Ticket(Kind.RECONCILE, series)
        reconcile([ticket])
        document = held.catalog.holdings.series_progress(series).document
        assert document is not None
        held.objects.delete([document.object_key])
        assert list(Audit(held.objects, held.catalog).flaws()) == [Found(Flaw.MISSING, document.object_key, series)]
        queue = SqlQueue(held.catalog.database)
        assert repair(held.objects, held.catalog, queue).rewritten == 1
        assert ticket.key in [lease.ticket.key for lease in queue.take("w", kinds=list(Kind), limit=9, lease_seconds=9)]
        reconcile([ticket])
        assert list(Audit(held.objects, held.catalog).flaws()) == []


@contextmanager
def pulled(folder: Path) -> Iterator[tuple[Holding, SeriesKey, Callable[..., None]]]:
    """A series that came from a source, and how it comes again."""
    ds = pydicom.dcmread(corpus.path(NAME), stop_before_pixels=True)
    series = SeriesKey(ds.StudyInstanceUID, ds.SeriesInstanceUID)
    listed = {"00080018": {"vr": "UI", "Value": [ds.SOPInstanceUID]}}
    with holding(folder) as held:

        def comes(seconds: float = 0) -> None:
            staged = held.receive.stage()
            staged.write_bytes(corpus.file(NAME))
            held.receive.receive_now(staged, Origin(Door.FETCH, source="pacs"))
            ReconcileSeries(held.objects, held.catalog)([Ticket(Kind.RECONCILE, series)])

        held.catalog.pulling.announce(series.of_study, "pacs", listed, [AnnouncedSeries(series, listed, [listed])])
        comes()
        yield held, series, comes


def test_a_document_written_anew_while_its_series_leaves_the_cache_stays(tmp_path: Path) -> None:
    with pulled(tmp_path) as (held, series, comes):
        first = held.catalog.holdings.series_progress(series).document
        assert Evict(held.objects, held.catalog.caching, MemorySignals(), sleep=comes).purge(series) == 1
        second = held.catalog.holdings.series_progress(series).document
        assert first and second and first.etag == second.etag
        assert held.objects.stat(second.object_key).size > 0
        assert list(Audit(held.objects, held.catalog).flaws()) == []


def test_what_leaves_the_cache_and_comes_back_beside_the_audit_is_no_flaw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pulled(tmp_path) as (held, series, comes):
        stat, names = held.objects.stat, []

        def after_it_left(name: str) -> ObjectInfo:
            names.append(name)
            if len(names) == 1:
                Evict(held.objects, held.catalog.caching, MemorySignals(), sleep=comes).purge(series)
            return stat(name)

        monkeypatch.setattr(held.objects, "stat", after_it_left)
        assert list(Audit(held.objects, held.catalog).flaws()) == []
        assert len(set(names)) > 1


def test_what_was_just_let_go_and_is_still_there_for_its_readers_belongs_to_nobody_only_if_it_stays(
    tmp_path: Path,
) -> None:
    with holding(tmp_path) as held:
        kept, left = held.take_all([NAME, OTHER]).values()
        going = held.catalog.holdings.delete(left.of_study, reason="test", tombstone=False)

        def found(leave: Callable[[], None]) -> list[Found]:
            def wait(seconds: float) -> bool:
                if seconds:
                    leave()
                return False

            return list(Audit(held.objects, held.catalog, grace_seconds=-60, wait=wait).flaws())

        assert found(lambda: None) == [Found(Flaw.ORPHAN, name) for name in going]
        assert found(lambda: held.objects.delete(going)) == []
        assert held.catalog.holdings.current([kept])


def lose_tickets(held: Holding) -> None:
    queue = SqlQueue(held.catalog.database, now=lambda: time.time() + 60)
    queue.done(queue.take("crashed", kinds=list(Kind), limit=9, lease_seconds=60))


def test_lost_work_is_found_from_the_rows(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        key = held.take_all([NAME])[NAME]
        series = Ticket(Kind.RECONCILE, SeriesKey(key.study, key.series))
        assert held.catalog.inventory.unfinished() == []
        lose_tickets(held)
        assert held.catalog.inventory.unfinished() == [Ticket(Kind.PREPROCESS, key), series]
        held.catalog.progress.move(key, State.READY, only_from=[State.STORED])
        lose_tickets(held)
        assert held.catalog.inventory.unfinished() == [series]


def test_lost_work_is_queued_once_and_never_what_rests_as_a_dead_letter(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        held.take_all([NAME])
        queue = SqlQueue(held.catalog.database, now=lambda: time.time() + 60)
        leases = queue.take("w", kinds=list(Kind), limit=9, lease_seconds=60)
        assert {each.ticket.kind for each in leases} == {Kind.PREPROCESS, Kind.RECONCILE}
        queue.done(leases)
        assert [queue_lost(held.catalog, queue) for _ in range(2)] == [2, 0]
        found = {each.ticket.kind: each for each in queue.take("w", kinds=list(Kind), limit=9, lease_seconds=60)}
        assert set(found) == {Kind.PREPROCESS, Kind.RECONCILE}
        queue.bury(found[Kind.PREPROCESS], reason="broken")
        assert queue_lost(held.catalog, queue) == 0, "one is at work, the other rests"
        queue.done([found[Kind.RECONCILE]])
        assert queue_lost(held.catalog, queue) == 1
        assert [each.ticket.kind for each in queue.take("w", kinds=list(Kind), limit=9, lease_seconds=60)] == [
            Kind.RECONCILE
        ]


def test_dead_letters_of_what_is_well_again_or_gone_are_forgotten(tmp_path: Path) -> None:
    with holding(tmp_path) as held:
        failed, well = held.take_all([NAME, OTHER]).values()
        gone = InstanceKey("1.2", "1.2.3", "1.2.3.4")
        queue = SqlQueue(held.catalog.database)
        queue.done(queue.take("w", kinds=[Kind.PREPROCESS], limit=9, lease_seconds=60))
        queue.put([Ticket(Kind.PREPROCESS, failed), Ticket(Kind.PREPROCESS, well)])
        queue.put([Ticket(Kind.FETCH, gone), Ticket(Kind.REINDEX, gone.of_study)])
        unlisted = SeriesKey("1.9", "1.9.1")
        announced = AnnouncedSeries(unlisted, {}, [{"00080018": {"vr": "UI", "Value": ["1.9.1.1"]}}])
        held.catalog.pulling.announce(unlisted.of_study, "pacs", {}, [announced])
        queue.put([Ticket(Kind.CACHE_SERIES, unlisted), Ticket(Kind.CACHE_SERIES, well.of_series)])
        for lease in queue.take("w", kinds=list(Kind), limit=9, lease_seconds=60):
            queue.bury(lease, reason="broken")
        held.catalog.progress.move(failed, State.FAILED, only_from=[State.STORED], reason="broken")
        assert drop_moot(held.catalog, queue) == 4
        assert {letter.ticket.key for letter in queue.dead_letters()} == {failed, unlisted}


def test_dead_letters_are_listed_sent_again_and_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, _ = load(flags={"storage.data": str(tmp_path)})
    with open_backends(settings) as backends:
        for number in (1, 2):
            backends.queue.put([Ticket(Kind.RECONCILE, SeriesKey("1.2", f"1.{number}"))])
            [lease] = backends.queue.take("w", kinds=[Kind.RECONCILE], limit=1, lease_seconds=60)
            backends.queue.bury(lease, reason="broken")

    def said(*words: str) -> list[dict[str, object]]:
        assert main(["dead-letters", *words, "--data", str(tmp_path)]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    first, second = said("list")
    assert [(each["series"], each["reason"]) for each in (first, second)] == [("1.1", "broken"), ("1.2", "broken")]
    assert said("drop", str(first["id"])) == [{"event": "done", "dropped": 1}]
    assert said("requeue") == [{"event": "done", "requeued": 1}]
    assert said("list") == []
