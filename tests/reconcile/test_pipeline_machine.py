"""Whatever happens in whatever order, every move is one of the table, and in the end everything is where it belongs.

Instances are pushed, announced, wanted, replaced, evicted, deleted, called off and tried again, while workers die in
the middle, tickets are delivered twice or lost, a source fails, and the sweep comes by. Then all faults end.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.catalog.sql import open_catalog
from dicomweb_server.ingest.deletion import Delete
from dicomweb_server.ingest.eviction import Evict
from dicomweb_server.ingest.fetch import Fetch
from dicomweb_server.model.errors import BackendFailed, DicomwebError
from dicomweb_server.model.ids import InstanceKey, Scope, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.records import DicomJson
from dicomweb_server.model.results import Result
from dicomweb_server.model.states import State, roll_up
from dicomweb_server.notices.log import LogNotices
from dicomweb_server.objects import layout
from dicomweb_server.preprocess.thumbnails import Preprocess
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit, Flaw
from dicomweb_server.reconcile.reindex import Reindex
from dicomweb_server.reconcile.series import ReconcileSeries
from dicomweb_server.reconcile.sweep import Sweep
from dicomweb_server.signals.memory import MemorySignals
from dicomweb_server.sources.base import Fetched
from dicomweb_server.workers.givenup import GivenUp
from dicomweb_server.workers.loop import Stage, Worker
from tests.holding import holding
from tests.ingest.files import part10
from tests.reconcile.test_rolling import LEGAL
from tests.web.making import HerePool

STUDY = StudyKey("1.2")
KEYS = [InstanceKey("1.2", f"1.2.{series}", f"1.2.{series}.{number}") for series in (1, 2) for number in (1, 2)]
SCOPES: list[Scope] = [STUDY, KEYS[0].of_series, KEYS[2].of_series, *KEYS]
KINDS = (Kind.PREPROCESS, Kind.RECONCILE, Kind.FETCH, Kind.REINDEX)
EXAMPLES = int(os.environ.get("PIPELINE_EXAMPLES", "12"))
WORKED = st.one_of(st.just(set(KINDS)), st.just({Kind.FETCH}), st.sets(st.sampled_from(KINDS), min_size=1))
FATES = ["done", "done", "twice", "dies before", "dies after", "lost"]


@cache
def body(key: InstanceKey, name: str) -> bytes:
    return part10(key.instance, study=key.study, series=key.series, name=name)


@cache
def empty_catalog() -> bytes:
    """Made once, and copied: its migrations take longer than a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "catalog.sqlite"
        open_catalog(f"sqlite:///{file}").close()
        return file.read_bytes()


class Died(BaseException):
    """The end of a worker's process."""


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class MoodySource:
    """Gives what it is asked for, or fails, as the machine says."""

    def __init__(self) -> None:
        self.mood: DicomwebError | None = None

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        for key in keys:
            if self.mood is not None:
                yield Fetched(key, error=self.mood)
                continue
            staged = stage()
            staged.write_bytes(body(key, "Source^One"))
            yield Fetched(key, staged)


class Pipeline(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        (folder / "catalog.sqlite").write_bytes(empty_catalog())
        self.held = self.open.enter_context(holding(folder))
        self.catalog, self.objects = self.held.catalog, self.held.objects
        self.clock, self.source, signals = Clock(), MoodySource(), MemorySignals()
        self.queue = SqlQueue(self.catalog.database, now=self.clock)
        self.delete = Delete(self.objects, self.catalog.holdings, signals)
        self.evict = Evict(self.objects, self.catalog.caching, signals, sleep=lambda seconds: None)
        self.sweep = Sweep(self.catalog, self.objects, self.queue, signals, now=self.clock)
        given_up = GivenUp(self.catalog, LogNotices())
        self.open.callback(given_up.close)
        self.stages: dict[Kind, Stage] = {
            Kind.PREPROCESS: Preprocess(self.objects, self.catalog, HerePool()),
            Kind.RECONCILE: ReconcileSeries(self.objects, self.catalog, quiet_seconds=0.0, now=self.clock),
            Kind.FETCH: Fetch(self.catalog, self.held.receive, {"pacs": self.source}, signals),  # type: ignore[dict-item]
            Kind.REINDEX: Reindex(self.objects, self.catalog),
        }
        self.given_up, self.signals = given_up, signals
        self.watch_moves()

    def worker(self, stages: dict[Kind, Stage]) -> Worker:
        return Worker(
            self.queue,
            self.signals,
            stages,
            "one",
            batch=3,
            now=self.clock,
            chance=lambda: 0.5,
            given_up=self.given_up,
        )

    def watch_moves(self) -> None:
        legal = " OR ".join(
            f"(OLD.state = {int(now)} AND NEW.state IN ({', '.join(str(int(then)) for then in LEGAL[now])}))"
            for now in State
        )
        with self.catalog.database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE illegal (was INTEGER, becomes INTEGER)")
            connection.exec_driver_sql(
                f"CREATE TRIGGER watch AFTER UPDATE OF state ON instance WHEN OLD.state <> NEW.state AND NOT ({legal}) "
                "BEGIN INSERT INTO illegal VALUES (OLD.state, NEW.state); END"
            )

    @rule(key=st.sampled_from(KEYS), name=st.sampled_from(["Pushed^One", "Pushed^Two"]))
    def push(self, key: InstanceKey, name: str) -> None:
        self.held.take_bytes(body(key, name))

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), wanted=st.booleans())
    def announce(self, keys: set[InstanceKey], wanted: bool) -> None:
        listed: dict[SeriesKey, list[DicomJson]] = {}
        for key in sorted(keys):
            listed.setdefault(key.of_series, []).append({"00080018": {"vr": "UI", "Value": [key.instance]}})
        with suppress(DicomwebError):
            found = [AnnouncedSeries(series, {}, some) for series, some in listed.items()]
            self.catalog.pulling.announce(STUDY, "pacs", {}, found)
        if wanted:
            self.want(STUDY, Band.STUDY)

    @rule(scope=st.sampled_from(SCOPES))
    def look(self, scope: Scope) -> None:
        self.want(scope, Band.WAITING)

    def want(self, scope: Scope, band: Band) -> None:
        missing = [each.key for each in self.catalog.pulling.missing(scope) if each.source]
        self.catalog.pulling.want([Ticket(Kind.FETCH, key, band) for key in missing])

    @rule(kinds=WORKED, fate=st.sampled_from(FATES))
    def work(self, kinds: set[Kind], fate: str) -> None:
        if fate == "lost":
            self.queue.done(self.queue.take("lost", kinds=list(kinds), limit=3, lease_seconds=60))
            return
        with suppress(Died):
            self.worker({kind: fated(self.stages[kind], fate) for kind in kinds}).work_once()

    @rule()
    def work_off(self) -> None:
        self.worker(self.stages).work_once()

    @rule(passing=st.sampled_from([None, True, False]))
    def source_is(self, passing: bool | None) -> None:
        self.source.mood = None if passing is None else BackendFailed("no answer", passing=passing)

    @rule(scope=st.sampled_from(SCOPES), how=st.sampled_from(["evicted", "deleted", "forgotten"]))
    def leave(self, scope: Scope, how: str) -> None:
        with suppress(DicomwebError):
            self.evict.purge(scope) if how == "evicted" else self.delete(scope, tombstone=how == "deleted")

    @rule(scope=st.sampled_from(SCOPES), what=st.sampled_from(["cancel", "retry", "requeue", "reindex", "sweep"]))
    def steer(self, scope: Scope, what: str) -> None:
        match what:
            case "cancel":
                self.catalog.mending.cancel(scope)
            case "retry":
                self.catalog.mending.retry(scope)
            case "requeue":
                self.queue.redrive([letter.id for letter in self.queue.dead_letters()])
            case "reindex":
                self.queue.put([Ticket(Kind.REINDEX, STUDY)])
            case "sweep":
                self.sweep()

    @rule(seconds=st.sampled_from([10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.ahead += seconds

    @invariant()
    def only_legal_moves_were_made(self) -> None:
        with self.catalog.database.read() as connection:
            illegal = connection.exec_driver_sql("SELECT was, becomes FROM illegal").all()
        assert [(State(was).name, State(becomes).name) for was, becomes in illegal] == []

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            self.check_rows()
            self.check_objects()
        finally:
            self.open.close()

    def come_to_rest(self) -> None:
        """The faults are over, and time passes."""
        self.source.mood = None
        for _ in range(60):
            self.sweep()
            worker, idle = self.worker(self.stages), True
            while worker.work_once():
                idle = False
            stats = self.queue.stats()
            if idle and not stats.delayed and not stats.leased:
                return
            self.clock.ahead += 700
        raise AssertionError("it comes to no rest")

    def check_rows(self) -> None:
        standing = self.catalog.progress.standing(STUDY)
        dead = {letter.ticket.key for letter in self.queue.dead_letters()}
        assert {each.state for each in standing} <= {State.READY, State.FAILED, State.ANNOUNCED}
        assert all(each.reason for each in standing if each.state is State.FAILED)
        assert all(each.state is State.FAILED for each in standing if each.key in dead), dead
        if not standing:
            return
        for progress in self.catalog.holdings.series_of(STUDY):
            uid = progress.key.series
            columns = "state, instance_count, nearline_count, document_instances"
            ((state, instances, nearline, documented),) = self.rows(
                f"SELECT {columns} FROM series WHERE series_uid = '{uid}'"
            )
            mine = [each for each in standing if each.key.series == uid]
            here = [each for each in mine if each.here]
            assert state == roll_up({each.state: 1 for each in mine}), uid
            assert (instances, nearline) == (len(mine), len(mine) - len(here)), uid
            if any(each.state is State.ANNOUNCED for each in mine):
                continue
            assert documented == len(here), uid
            self.check_document(progress.key, len(here))
        ((state, instances, nearline),) = self.rows("SELECT state, instance_count, nearline_count FROM study")
        assert state == roll_up({each.state: 1 for each in standing})
        assert (instances, nearline) == (len(standing), sum(not each.here for each in standing))

    def check_document(self, key: SeriesKey, count: int) -> None:
        document = self.catalog.holdings.series_progress(key).document
        assert document is not None
        body = Path(str(self.objects.local(document.object_key))).read_bytes()
        assert orjson.loads(body) == [orjson.loads(row) for row in self.catalog.holdings.metadata(key)]
        assert len(orjson.loads(body)) == count

    def check_objects(self) -> None:
        flaws = [found.flaw for found in Audit(self.objects, self.catalog).flaws(digests=True)]
        assert Flaw.MISSING not in flaws
        for each in self.catalog.progress.standing(STUDY):
            if each.state is State.READY:
                version = self.catalog.holdings.version(each.key)
                assert self.objects.stat(layout.thumbnail(each.key, version.version)).size > 0

    def rows(self, statement: str) -> list[tuple[int, ...]]:
        with self.catalog.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]


def fated(stage: Stage, fate: str) -> Stage:
    def run(tickets: Sequence[Ticket]) -> Sequence[Result]:
        if fate == "dies before":
            raise Died
        results = stage(tickets)
        if fate == "twice":
            results = stage(tickets)
        if fate == "dies after":
            raise Died
        return results

    return run


def test_everything_reaches_its_end_state() -> None:
    run_state_machine_as_test(
        Pipeline,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
