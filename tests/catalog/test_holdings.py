"""What is stored can be found again, counted exactly, and deleted."""

from __future__ import annotations

import multiprocessing

import orjson
import pytest

from dicomweb_server.catalog.sql import SqlCatalog, open_catalog
from dicomweb_server.model.errors import Gone, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.query import Level, Query
from dicomweb_server.model.records import SeriesDocument
from dicomweb_server.model.states import State
from tests.catalog.making import CT, FETCHED, derived, many, new, text

STUDY = StudyKey("1.2.1")
SERIES = SeriesKey("1.2.1", "1.2.1.1")


def test_a_stored_instance_is_found_with_all_that_serving_needs(catalog: SqlCatalog) -> None:
    stored = new(derived())
    assert catalog.holdings.store([stored]) == [True]
    held = catalog.holdings.version(stored.derived.key)
    assert (held.version, held.object_key, held.frames, held.sop_class) == (
        stored.version,
        stored.object_key,
        b"index",
        CT,
    )
    assert catalog.holdings.metadata(stored.derived.key) == [stored.derived.metadata_json]


def test_the_first_of_two_writers_wins_and_the_other_is_told(catalog: SqlCatalog) -> None:
    first, second = new(derived()), new(derived())
    assert catalog.holdings.store([first]) == [True]
    assert catalog.holdings.store([second]) == [False]
    assert catalog.holdings.version(first.derived.key).version == first.version


def test_a_replacement_names_the_version_it_replaces(catalog: SqlCatalog) -> None:
    first = new(derived())
    catalog.holdings.store([first])
    other = derived(x00081030=text("LO", "corrected"))
    assert catalog.holdings.store([new(other, over="another")]) == [False]
    second = new(other, over=first.version)
    assert catalog.holdings.store([second]) == [True]
    assert catalog.holdings.version(other.key).version == second.version
    assert catalog.holdings.metadata(other.key) == [other.metadata_json]
    assert study(catalog)["00201208"]["Value"] == [1]


def test_twice_the_same_instance_in_one_batch_is_stored_once(catalog: SqlCatalog) -> None:
    assert catalog.holdings.store([new(derived()), new(derived())]) == [True, False]
    assert study(catalog)["00201208"]["Value"] == [1]


def test_a_replacement_of_what_is_not_here_leaves_nothing_behind(catalog: SqlCatalog) -> None:
    assert catalog.holdings.store([new(derived(), over="gone")]) == [False]
    assert catalog.progress.totals()["studies"] == 0
    assert catalog.changes.last() == 0


def test_current_answers_for_those_that_are_here(catalog: SqlCatalog) -> None:
    batch = many(3) + many(2, "1.2.2", "1.2.2.1")
    catalog.holdings.store(batch)
    missing = InstanceKey("1.2.1", "1.2.1.1", "1.9")
    found = catalog.holdings.current([entry.derived.key for entry in batch] + [missing])
    assert {key: held.version for key, held in found.items()} == {entry.derived.key: entry.version for entry in batch}


def test_versions_come_by_series_number_instance_number_and_uid(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(2, series="1.2.1.2", x00200011=text("IS", 7)))
    catalog.holdings.store([*many(1, start=10), *many(1, start=9)])
    catalog.holdings.store([new(derived("1.2.1", "1.2.1.1", "1.2.1.1.1", x00200013=None))])
    names = [held.key.instance for held in catalog.holdings.versions(STUDY)]
    assert names == ["1.2.1.1.9", "1.2.1.1.10", "1.2.1.1.1", "1.2.1.2.1", "1.2.1.2.2"]


def test_the_first_instance_speaks_for_its_study_and_later_ones_fill_gaps(catalog: SqlCatalog) -> None:
    catalog.holdings.store([new(derived(x00081030=text("LO"), x00100040=None))])
    catalog.holdings.store(many(1, start=2, x00081030=text("LO", "second"), x00100040=text("CS", "F")))
    catalog.holdings.store(many(1, start=3, x00081030=text("LO", "third"), x00100020=text("LO", "P9")))
    found = study(catalog)
    assert found["00081030"]["Value"] == ["second"]
    assert found["00100040"]["Value"] == ["F"]
    assert found["00100020"]["Value"] == ["P1"]


@pytest.mark.parametrize("scope", [STUDY, SERIES, InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.1")])
def test_what_was_never_here_is_not_found(catalog: SqlCatalog, scope: StudyKey | SeriesKey | InstanceKey) -> None:
    with pytest.raises(NotFound) as raised:
        catalog.holdings.versions(scope)
    assert not isinstance(raised.value, Gone)


@pytest.mark.parametrize("scope", [STUDY, SERIES, InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.2")])
def test_what_was_deleted_is_gone_at_every_level_below(
    catalog: SqlCatalog, scope: StudyKey | SeriesKey | InstanceKey
) -> None:
    catalog.holdings.store(many(2))
    catalog.holdings.delete(scope, reason="asked for")
    for below in (scope, InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.2")):
        with pytest.raises(Gone):
            catalog.holdings.metadata(below)


def test_deleting_gives_back_every_object_key(catalog: SqlCatalog) -> None:
    batch = many(3)
    catalog.holdings.store(batch)
    document = SeriesDocument(SERIES, "series/doc.json", "etag", 3)
    assert catalog.progress.settle_series(SERIES, document, revision=1)
    freed = catalog.holdings.delete(STUDY, reason="asked for")
    assert sorted(freed) == sorted([entry.object_key for entry in batch] + ["series/doc.json", "series/doc.json.gz"])
    assert catalog.progress.totals()["instances"] == 0


def test_counts_and_modalities_follow_a_deletion(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(2) + many(1, series="1.2.1.2", x00080060=text("CS", "SR")))
    assert study(catalog)["00080061"]["Value"] == ["CT", "SR"]
    catalog.holdings.delete(InstanceKey("1.2.1", "1.2.1.2", "1.2.1.2.1"), reason="asked for")
    found = study(catalog)
    assert found["00080061"]["Value"] == ["CT"]
    assert (found["00201206"]["Value"], found["00201208"]["Value"]) == ([1], [2])


def test_what_was_deleted_can_be_stored_again(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(2))
    catalog.holdings.delete(STUDY, reason="asked for")
    assert catalog.holdings.store(many(1)) == [True]
    assert len(catalog.holdings.versions(STUDY)) == 1
    with pytest.raises(Gone):
        catalog.holdings.version(InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.2"))


def test_a_series_knows_its_progress_and_loses_its_document_to_a_later_instance(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(2))
    seen = catalog.holdings.series_progress(SERIES)
    assert (seen.counts, seen.pushed, seen.document) == ({State.STORED: 2}, True, None)
    document = SeriesDocument(SERIES, "series/doc.json", "etag", 2)
    assert catalog.progress.settle_series(SERIES, document, revision=seen.revision)
    assert catalog.holdings.series_progress(SERIES).document == document
    assert not catalog.progress.settle_series(SERIES, document, revision=seen.revision), "once, whoever else is at it"
    catalog.holdings.store(many(1, start=3))
    assert catalog.holdings.series_of(STUDY)[0].document is None
    assert not catalog.progress.settle_series(SERIES, document, revision=seen.revision)


def test_a_fetched_series_is_not_pushed(catalog: SqlCatalog) -> None:
    catalog.holdings.store([new(derived(), origin=FETCHED)])
    assert not catalog.holdings.series_progress(SERIES).pushed


def test_states_move_by_compare_and_set(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    key = InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.1")
    assert not catalog.progress.move(key, State.READY, only_from=[State.FAILED])
    assert catalog.progress.move(key, State.READY, only_from=[State.STORED])
    assert not catalog.progress.move(key, State.READY, only_from=[State.STORED])
    assert catalog.progress.totals()["ready"] == 1


def test_moving_between_stored_and_ready_leaves_the_revision_alone(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(1))
    key = InstanceKey("1.2.1", "1.2.1.1", "1.2.1.1.1")
    before = catalog.holdings.series_progress(SERIES).revision
    catalog.progress.move(key, State.READY, only_from=[State.STORED])
    assert catalog.holdings.series_progress(SERIES).revision == before
    catalog.progress.move(key, State.FAILED, only_from=[State.READY], reason="no pixels")
    assert catalog.holdings.series_progress(SERIES).revision == before + 1


def test_changes_are_numbered_without_gaps(catalog: SqlCatalog) -> None:
    catalog.holdings.store(many(3))
    catalog.holdings.store(many(1))
    catalog.holdings.delete(SERIES, reason="asked for")
    found = catalog.changes.since(0)
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert found[-1] == (4, SERIES)
    assert catalog.changes.since(3) == found[3:]
    assert catalog.changes.last() == 4


def test_the_stamp_moves_with_a_commit_of_another_process(catalog: SqlCatalog, url: str) -> None:
    before = catalog.changes.stamp()
    assert catalog.changes.stamp() == before
    other = open_catalog(url)
    other.holdings.store(many(1))
    other.close()
    assert catalog.changes.stamp() != before


def test_counts_are_exact_when_several_processes_store_at_once(catalog: SqlCatalog, url: str) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=store_some, args=(url, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    found = study(catalog)
    assert (found["00201206"]["Value"], found["00201208"]["Value"]) == ([4], [60])
    assert catalog.holdings.series_progress(SERIES).counts == {State.STORED: 30}
    assert [number for number, _ in catalog.changes.since(0)] == list(range(1, 61))


def store_some(url: str, worker: int) -> None:
    """Ten instances into a series of everybody's, ten into one of its own; and all of it once more, in vain."""
    catalog = open_catalog(url)
    for n in range(1, 11):
        shared = many(1, start=worker * 100 + n)
        own = many(1, series=f"1.2.1.{worker + 2}", start=n)
        assert catalog.holdings.store(shared + own) == [True, True]
        assert catalog.holdings.store(shared) == [False]
    catalog.close()


def study(catalog: SqlCatalog) -> dict[str, dict[str, list[object]]]:
    (found,) = catalog.search.find(Query(Level.STUDY, study="1.2.1", include_all=True)).matches
    parsed: dict[str, dict[str, list[object]]] = orjson.loads(found)
    return parsed


def test_a_study_without_modalities_does_not_list_them_empty(catalog: SqlCatalog) -> None:
    """OHIF shows no study at all when one of them has an empty Modalities in Study."""
    catalog.holdings.store([new(derived(x00080060=None))])
    (found,) = catalog.search.find(Query(Level.STUDY)).matches
    assert "00080061" not in orjson.loads(found)
