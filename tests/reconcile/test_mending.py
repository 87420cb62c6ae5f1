"""Reading files anew, mending what is lost, and what only one sweep at a time may do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import orjson
import pydicom
import pytest
import sqlalchemy as sa

from dicomweb_server.catalog.base import AnnouncedSeries
from dicomweb_server.ingest.deciding import Policy
from dicomweb_server.model.errors import Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.messages import Band, Kind, Ticket
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import Door, Fate, Origin
from dicomweb_server.model.states import State
from dicomweb_server.notices.base import Notice, Subject
from dicomweb_server.queues.sql import SqlQueue
from dicomweb_server.reconcile.audit import Audit, Flaw
from dicomweb_server.reconcile.reindex import Reindex
from dicomweb_server.reconcile.repair import LOST, repair
from dicomweb_server.reconcile.sweep import Sweep
from dicomweb_server.signals.memory import MemorySignals
from tests import corpus
from tests.holding import Holding, holding

NAMES = [f"generated/series/ct_{number:03}.dcm" for number in range(3)]
OTHER = "generated/mod/enhanced_mr_9frames.dcm"
NATIVE = "generated/ts/ct_evle.dcm"
"""Its last byte is of a pixel."""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path) as opened:
        yield opened


def shown(held: Holding, level: Level) -> list[bytes]:
    return list(held.catalog.search.find(Query(level, include_all=True, relational=True)).matches)


def metadata(held: Holding, keys: list[StudyKey]) -> list[list[bytes]]:
    return [held.catalog.holdings.metadata(key) for key in keys]


def test_reading_everything_anew_mends_what_was_written_wrong(held: Holding) -> None:
    """The catalog of a release that read files badly: afterwards it is as if they had just come."""
    keys = held.take_all([*NAMES, OTHER])
    studies = list(dict.fromkeys(key.of_study for key in keys.values()))
    before = [shown(held, level) for level in Level], metadata(held, studies)
    with held.catalog.database.write() as connection:
        for spoiled in (
            "UPDATE study SET patient_name = 'spoiled', study_date = '', patient_id_text = ''",
            "UPDATE study_document SET attributes = '{}', summary = ''",
            "UPDATE series SET modality = 'XX', attributes = '{}', summary = ''",
            "UPDATE instance SET summary = '', instance_number = 7, state = 9, reason = 'spoiled'",
            "UPDATE instance_metadata SET body = '{}'",
            "UPDATE version SET frames = NULL, frame_count = 0",
        ):
            connection.execute(sa.text(spoiled))
    reindex = Reindex(held.objects, held.catalog)
    assert [reindex.study(key) for key in held.catalog.mending.studies()] == [3, 1]
    assert ([shown(held, level) for level in Level], metadata(held, studies)) == before
    version = held.catalog.holdings.version(keys[OTHER])
    assert version.frame_count == 9
    assert {each.state for key in studies for each in held.catalog.progress.standing(key)} == {State.STORED}
    name = Key((0x00100010,), "PN", Match.WILDCARD, ("spoiled*",))
    assert not held.catalog.search.find(Query(Level.STUDY, keys=(name,))).matches
    tickets = SqlQueue(held.catalog.database).take("test", kinds=[Kind.PREPROCESS], limit=100, lease_seconds=9)
    assert {lease.ticket.key for lease in tickets} == set(keys.values())


def test_a_file_that_cannot_be_read_keeps_what_was_known_of_it(held: Holding) -> None:
    keys = held.take_all(NAMES)
    local = held.objects.local(held.catalog.holdings.version(keys[NAMES[0]]).object_key)
    assert local
    Path(local).write_bytes(b"nothing")
    (study,) = {key.of_study for key in keys.values()}
    before = shown(held, Level.STUDY)
    assert Reindex(held.objects, held.catalog).study(study) == 2
    assert shown(held, Level.STUDY) == before
    assert len(held.catalog.holdings.metadata(study)) == 3


def test_what_is_replaced_while_its_file_is_read_keeps_what_was_read_from_the_new_one(held: Holding) -> None:
    (key,) = held.take_all([NATIVE]).values()
    body = corpus.path(NATIVE).read_bytes()
    old = pydicom.dcmread(BytesIO(body))
    old.PatientComments = "corrected"
    new = BytesIO()
    old.save_as(new)
    reindex = Reindex(held.objects, held.catalog)
    read = reindex.read(key.of_study)
    held.take_bytes(new.getvalue())
    before = shown(held, Level.INSTANCE), metadata(held, [key.of_study])
    assert b"corrected" in before[1][0][0]
    assert held.catalog.mending.rederive(key.of_study, read) == 0
    assert (shown(held, Level.INSTANCE), metadata(held, [key.of_study])) == before


def test_reading_a_study_that_is_gone_is_no_error(held: Holding) -> None:
    assert Reindex(held.objects, held.catalog)([Ticket(Kind.REINDEX, StudyKey("1.2.3"))])


def lose(held: Holding, key: InstanceKey) -> None:
    local = held.objects.local(held.catalog.holdings.version(key).object_key)
    assert local
    Path(local).unlink()


def test_a_lost_file_fails_by_name(held: Holding) -> None:
    keys = held.take_all(NAMES)
    lose(held, keys[NAMES[1]])
    mended = repair(held.objects, held.catalog, SqlQueue(held.catalog.database))
    assert mended.lost == [keys[NAMES[1]]]
    (standing,) = held.catalog.progress.standing(keys[NAMES[1]])
    assert (standing.state, standing.reason) == (State.FAILED, LOST)
    assert repair(held.objects, held.catalog, SqlQueue(held.catalog.database)).lost == [], "told of once"


def test_a_lost_file_that_a_source_can_send_again_is_announced(held: Holding, tmp_path: Path) -> None:
    keys = held.take_all(NAMES)
    with held.catalog.database.write() as connection:
        connection.execute(sa.text("UPDATE version SET source = 'pacs', door = 'fetch'"))
        connection.execute(sa.text("UPDATE instance SET source = 'pacs'"))
    lose(held, keys[NAMES[2]])
    mended = repair(held.objects, held.catalog, SqlQueue(held.catalog.database))
    assert (mended.announced, mended.lost) == (1, [])
    assert [each.key for each in held.catalog.pulling.missing(keys[NAMES[2]].of_study)] == [keys[NAMES[2]]]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize("other", [False, True])
def test_whoever_sends_it_again_heals_what_lost_its_file(
    tmp_path: Path, policy: Policy, repaired: bool, other: bool
) -> None:
    """It was answered as the same, and not stored; with other content it was compared with nothing, for ever."""
    with holding(tmp_path, policy=policy) as held:
        (key,) = held.take_all([NATIVE]).values()
        lose(held, key)
        if repaired:
            assert repair(held.objects, held.catalog, SqlQueue(held.catalog.database)).lost == [key]
        body = bytearray(corpus.path(NATIVE).read_bytes())
        body[-1] ^= other
        staged = held.receive.stage()
        staged.write_bytes(body)
        assert held.receive.submit(staged, Origin(Door.STOW)).result(timeout=20).fate is Fate.STORED
        (standing,) = held.catalog.progress.standing(key)
        assert (standing.state, standing.reason, standing.here) == (State.STORED, None, True)
        stored = held.catalog.holdings.version(key)
        assert Path(str(held.objects.local(stored.object_key))).read_bytes()[-9:] == body[-9:]
        repair(held.objects, held.catalog, SqlQueue(held.catalog.database))
        assert list(Audit(held.objects, held.catalog).flaws(digests=True)) == []
        assert orjson.loads(shown(held, Level.STUDY)[0])["00080056"]["Value"] == ["ONLINE"]


def test_a_lost_file_of_a_former_version_costs_the_current_one_nothing(held: Holding) -> None:
    (key,) = held.take_all([NATIVE]).values()
    former = held.catalog.holdings.version(key)
    body = bytearray(corpus.path(NATIVE).read_bytes())
    body[-1] ^= 1
    held.take_bytes(bytes(body))
    held.objects.delete([former.object_key])
    mended = repair(held.objects, held.catalog, SqlQueue(held.catalog.database))
    assert (mended.lost, states_of(held, key.of_study)) == ([], [State.STORED])
    assert list(Audit(held.objects, held.catalog).flaws()) == []


@pytest.mark.parametrize(("flaw", "source"), [(Flaw.SIZE, ""), (Flaw.DIGEST, ""), (Flaw.DIGEST, "pacs")])
def test_a_damaged_file_is_had_from_its_source_or_fails_by_name_and_is_kept(
    held: Holding, flaw: Flaw, source: str
) -> None:
    (key,) = held.take_all([NATIVE]).values()
    if source:
        with held.catalog.database.write() as connection:
            connection.execute(sa.text("UPDATE version SET source = 'pacs', door = 'fetch'"))
            connection.execute(sa.text("UPDATE instance SET source = 'pacs'"))
    name = held.catalog.holdings.version(key).object_key
    body = Path(str(held.objects.local(name))).read_bytes()
    held.objects.replace(name, body[:-2] if flaw is Flaw.SIZE else body[:-1] + bytes([body[-1] ^ 1]))
    mended = repair(held.objects, held.catalog, SqlQueue(held.catalog.database), digests=True)
    assert (mended.announced, mended.damaged) == ((1, []) if source else (0, [key]))
    assert states_of(held, key.of_study) == [State.ANNOUNCED if source else State.FAILED]
    assert held.objects.stat(name).size, "an orphan of an hour goes, a damaged file stays"


def test_what_nobody_can_send_again_is_not_asked_for_again(held: Holding) -> None:
    keys = held.take_all(NAMES)
    lose(held, keys[NAMES[0]])
    repair(held.objects, held.catalog, SqlQueue(held.catalog.database))
    assert held.catalog.mending.retry(keys[NAMES[0]].of_study) == 0
    assert sorted(states_of(held, keys[NAMES[0]].of_study)) == [State.STORED, State.STORED, State.FAILED]


def announced(held: Holding, count: int = 3) -> list[InstanceKey]:
    keys = [InstanceKey("1.2", "1.2.3", f"1.2.3.{n}") for n in range(1, count + 1)]
    listed = [{"00080018": {"vr": "UI", "Value": [key.instance]}} for key in keys]
    held.catalog.pulling.announce(StudyKey("1.2"), "pacs", {}, [AnnouncedSeries(SeriesKey("1.2", "1.2.3"), {}, listed)])
    return keys


def states(held: Holding) -> list[State]:
    return states_of(held, StudyKey("1.2"))


def states_of(held: Holding, key: StudyKey) -> list[State]:
    return [each.state for each in held.catalog.progress.standing(key)]


def test_what_is_queued_can_be_called_off_and_what_failed_tried_again(held: Holding) -> None:
    keys, mending = announced(held), held.catalog.mending
    held.catalog.pulling.want([Ticket(Kind.FETCH, key, Band.SERIES) for key in keys])
    held.catalog.pulling.claim(keys[:1])
    assert set(mending.due(StudyKey("1.2"))) == set(keys)
    assert mending.cancel(SeriesKey("1.2", "1.2.3")) == 2
    assert states(held) == [State.FETCHING, State.ANNOUNCED, State.ANNOUNCED]
    assert mending.due(StudyKey("1.2")) == {}
    held.catalog.pulling.failed(keys[0], reason="no", final=True, attempts=5)
    assert mending.retry(StudyKey("1.2")) == 1
    assert states(held) == [State.QUEUED, State.ANNOUNCED, State.ANNOUNCED]
    assert set(mending.due(keys[0])) == {keys[0]}
    (standing,) = held.catalog.progress.standing(keys[0])
    assert (standing.attempts, standing.reason) == (0, None)


def test_only_one_sweeps_at_a_time_until_its_lease_ends(held: Holding) -> None:
    mending = held.catalog.mending
    assert mending.take_lease("sweep", "one", seconds=60)
    assert not mending.take_lease("sweep", "two", seconds=60)
    assert mending.take_lease("sweep", "one", seconds=-1), "whoever has it may take it again"
    assert mending.take_lease("sweep", "two", seconds=60)
    assert mending.take_lease("other", "one", seconds=60)


def test_a_sweep_waits_for_none_that_has_ended_and_none_lists_the_store_again(held: Holding) -> None:
    """A worker that was killed is followed by one that sweeps at once."""
    queue = SqlQueue(held.catalog.database)
    held.objects.replace("instances/1.2/1.3/1.4-ab.dcm", b"nobody's")
    Sweep(held.catalog, held.objects, queue, MemorySignals(), holder="one")()
    held.take_all(NAMES)
    queue.done(queue.take("test", kinds=list(Kind), limit=100, lease_seconds=60))
    now = time.time() + 7200
    Sweep(held.catalog, held.objects, queue, MemorySignals(), holder="two", now=lambda: now)()
    assert sum(queue.stats().waiting.values()) > 0
    assert held.objects.stat("instances/1.2/1.3/1.4-ab.dcm").size > 0


def test_a_sweep_that_another_holds_does_nothing(held: Holding) -> None:
    held.take_all(NAMES)
    queue = SqlQueue(held.catalog.database)
    queue.done(queue.take("test", kinds=list(Kind), limit=100, lease_seconds=60))
    assert held.catalog.mending.take_lease("sweep", "elsewhere", seconds=60)
    Sweep(held.catalog, held.objects, queue, MemorySignals(), holder="here")()
    assert sum(queue.stats().waiting.values()) == 0


def test_what_was_deleted_is_remembered_for_a_time(held: Holding) -> None:
    (key,) = held.take_all(NAMES[:1]).values()
    held.catalog.holdings.delete(key, reason="test")
    with pytest.raises(Gone):
        held.catalog.holdings.version(key)
    queue = SqlQueue(held.catalog.database)
    keep = Sweep(held.catalog, held.objects, queue, MemorySignals(), tombstones_seconds=3600)
    keep()
    with pytest.raises(Gone):
        held.catalog.holdings.version(key)
    keep.tombstones_seconds = -1
    keep()
    with pytest.raises(NotFound) as raised:
        held.catalog.holdings.version(key)
    assert not isinstance(raised.value, Gone)


def test_somebody_is_told_of_a_series_to_which_nothing_comes(held: Holding) -> None:
    keys, told = announced(held), []

    class Told:
        def send(self, notice: Notice) -> None:
            told.append(notice)

    sweep = Sweep(held.catalog, held.objects, SqlQueue(held.catalog.database), MemorySignals(), Told())
    assert sweep.tell_of_stuck() == 0, "not by default"
    sweep.stuck_seconds = -60
    assert sweep.tell_of_stuck() == 0, "announced is a state of rest"
    held.catalog.pulling.want([Ticket(Kind.FETCH, keys[0], Band.SERIES)])
    assert sweep.tell_of_stuck() == 1
    assert [(each.subject, each.about) for each in told] == [(Subject.SERIES_STUCK, "1.2.3")]
    assert json.dumps(dict(told[0].facts))
    assert sweep.tell_of_stuck() == 0, "once is enough, for days on end"
    held.catalog.mending.cancel(StudyKey("1.2"))
    assert sweep.tell_of_stuck() == 0
    held.catalog.pulling.want([Ticket(Kind.FETCH, keys[0], Band.SERIES)])
    assert sweep.tell_of_stuck() == 1, "stuck again"
