"""How far along a study, a series or an instance is, as an operator is told by the API and by ``status``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dicomweb_server.catalog.base import Catalog, Due, SeriesProgress, Standing, Trouble
from dicomweb_server.model.errors import NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey
from dicomweb_server.model.states import State, roll_up

NOTHING = Due(None, 0, None)


def of_study(catalog: Catalog, key: StudyKey) -> dict[str, Any]:
    """Counts, states and troubles of a study and of its series. Raises NotFound, Gone."""
    found = catalog.holdings.series_of(key)
    troubles, due = catalog.progress.troubles(key), catalog.mending.next_due(key)
    chosen = catalog.progress.representative(key)
    return {
        "study": key.study,
        **counted(_sum(each.counts for each in found)),
        **_troubled(troubles),
        "next_attempt": min(due.values(), default=None),
        "representative": None if chosen is None else {"series": chosen.series, "instance": chosen.instance},
        "series": [_series(each, troubles, due) for each in found],
    }


def of_series(catalog: Catalog, key: SeriesKey, *, limit: int = 100, offset: int = 0) -> dict[str, Any]:
    """The same of a series, and each of its instances. Raises NotFound, Gone."""
    found = catalog.holdings.series_progress(key)
    troubles, due = catalog.progress.troubles(key), catalog.mending.next_due(key.of_study)
    standing = catalog.progress.standing(key, limit=limit, offset=offset)
    return {**_series(found, troubles, due), "instances": _instances(standing, catalog.mending.due(key))}


def of_instance(catalog: Catalog, key: InstanceKey) -> dict[str, Any]:
    """Raises NotFound."""
    found = _instances(catalog.progress.standing(key), catalog.mending.due(key))
    if not found:
        raise NotFound(f"no instance {key.instance}")
    return found[0]


def in_state(catalog: Catalog, state: State, *, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
    """Instances of all studies that are in ``state``, with what is to be done of them."""
    standing = catalog.progress.in_state(state, limit=limit, offset=offset)
    due: dict[InstanceKey, Due] = {}
    for series in dict.fromkeys(each.key.of_series for each in standing):
        due |= catalog.mending.due(series)
    return _instances(standing, due)


def counted(counts: Mapping[State, int]) -> dict[str, Any]:
    """A parent by the states of its instances."""
    state = roll_up(counts)
    return {
        "state": state.name.lower(),
        "complete_with_failures": bool(counts.get(State.FAILED)) and state in (State.READY, State.FAILED),
        "instances_by_state": {each.name.lower(): counts.get(each, 0) for each in State},
    }


def _sum(counts: Iterable[Mapping[State, int]]) -> dict[State, int]:
    found = dict.fromkeys(State, 0)
    for each in counts:
        for state, count in each.items():
            found[state] += count
    return found


def _series(progress: SeriesProgress, troubles: Sequence[Trouble], due: Mapping[str, float]) -> dict[str, Any]:
    return {
        "study": progress.key.study,
        "series": progress.key.series,
        "number": progress.number,
        **counted(progress.counts),
        **_troubled([each for each in troubles if each.series == progress.key.series]),
        "next_attempt": due.get(progress.key.series),
        "complete": progress.document is not None,
        "slices": progress.slices if progress.document is not None else None,
        "representative": progress.representative or None,
        "pushed": progress.pushed,
        "last_arrival": progress.last_arrival,
    }


def _troubled(troubles: Sequence[Trouble]) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for each in troubles:
        reasons[each.reason] = reasons.get(each.reason, 0) + each.instances
    return {
        "attempts": max((each.attempts for each in troubles), default=0),
        "reasons": [{"reason": reason, "instances": count} for reason, count in reasons.items()],
    }


def _instances(standing: Sequence[Standing], due: Mapping[InstanceKey, Due]) -> list[dict[str, Any]]:
    return [_instance(each, due.get(each.key, NOTHING)) for each in standing]


def _instance(standing: Standing, due: Due) -> dict[str, Any]:
    return {
        "study": standing.key.study,
        "series": standing.key.series,
        "instance": standing.key.instance,
        "state": standing.state.name.lower(),
        "here": standing.here,
        "attempts": max(standing.attempts, due.attempts),
        "reason": standing.reason or due.reason,
        "source": standing.source,
        "next_attempt": due.at,
    }
