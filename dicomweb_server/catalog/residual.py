"""Keys that no column answers, matched from stored attributes: sequences, private and rare attributes (Q-04, Q-07)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from dicomweb_server.catalog import folding, private, spelling
from dicomweb_server.catalog.summaries import texts
from dicomweb_server.model.query import DateTimeRange, Key, Match, Path
from dicomweb_server.model.records import DicomJson

_NUMBERS = frozenset({"IS", "DS", "US", "UL", "UV", "SS", "SL", "SV", "FL", "FD"})


def matches(dataset: DicomJson, keys: Sequence[Key], intervals: Sequence[DateTimeRange] = ()) -> bool:
    """Whether ``dataset`` has all of ``keys``; those of one sequence within one item."""
    return _within(dataset, [(key.path, key) for key in keys]) and all(
        _in_interval(dataset, interval) for interval in intervals
    )


def _within(dataset: DicomJson, keys: list[tuple[Path, Key]]) -> bool:
    sequences: dict[int, list[tuple[Path, Key]]] = {}
    creators = private.creators((path[0], key) for path, key in keys if len(path) == 1)
    for path, key in keys:
        tag = private.located(dataset, path[0], creators)
        if tag is None:
            return False
        if len(path) == 1:
            if not _has(texts(dataset.get(f"{tag:08X}")), key):
                return False
        else:
            sequences.setdefault(tag, []).append((path[1:], key))
    return all(_in_an_item(dataset, tag, inner) for tag, inner in sequences.items())


def _in_an_item(dataset: DicomJson, tag: int, keys: list[tuple[Path, Key]]) -> bool:
    items = dataset.get(f"{tag:08X}", {}).get("Value") or [{}]
    return any(_within(item, keys) for item in items if isinstance(item, dict))


def _has(values: list[str], key: Key) -> bool:
    match key.match:
        case Match.UNIVERSAL:
            return True
        case Match.EMPTY:
            return not values
        case Match.ALL:
            return all(any(_equal(value, wanted, key.vr) for value in values) for wanted in key.values)
        case Match.RANGE:
            return any(_in_range(value, key) for value in values)
        case Match.WILDCARD:
            return any(_like(value, key.values[0], key.vr) for value in values)
        case Match.FUZZY:
            return any(spelling.alike(value, key.values[0]) for value in values)
    return any(_equal(value, wanted, key.vr) for value in values for wanted in key.values)


def _equal(value: str, wanted: str, vr: str) -> bool:
    if vr == "PN":
        return _like(value, wanted, vr)
    if vr in ("TM", "DT"):
        first, last = _span(wanted, vr)
        return first <= _point(value, vr) <= last
    if vr == "DA":
        return folding.date(value) == folding.date(wanted)
    if vr in _NUMBERS:
        return _same_number(value, wanted)
    return value.strip(" ") == wanted


def _same_number(value: str, wanted: str) -> bool:
    try:
        return float(value) == float(wanted)
    except ValueError:
        return False


def _like(value: str, pattern: str, vr: str) -> bool:
    if vr != "PN":
        return _wild(value.strip(" "), pattern)
    name, wanted = folding.folded(value), folding.folded(pattern)
    return any(_wild(text, wanted) for text in (name, *name.split("=")))


def _wild(text: str, pattern: str) -> bool:
    """``*`` any run, ``?`` any character. Piece after piece, so that many stars cost no more than few."""
    first, *rest = _pieces(pattern)
    if not rest:
        return first.fullmatch(text) is not None
    found = first.match(text)
    for piece in rest[:-1]:
        found = piece.search(text, found.end()) if found else None
    tail = len(text) - len(pattern.rpartition("*")[2])
    return found is not None and found.end() <= tail and rest[-1].fullmatch(text, tail) is not None


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile("".join("." if c == "?" else re.escape(c) for c in piece), re.DOTALL) for piece in pattern.split("*")
    )


def _in_range(value: str, key: Key) -> bool:
    first, last = key.values
    point = _point(value, key.vr)
    if not point:
        return False
    return (not first or point >= _span(first, key.vr)[0]) and (not last or point <= _span(last, key.vr)[1])


def _point(value: str, vr: str) -> str:
    if vr == "DA":
        return folding.date(value)
    return folding.time(value) if vr == "TM" else folding.moment(value)


def _span(value: str, vr: str) -> tuple[str, str]:
    if vr == "DA":
        return folding.date(value), folding.date(value)
    if vr == "TM":
        return folding.time(value), folding.last_time(value)
    return folding.moment(value), folding.last_moment(value)


def _in_interval(dataset: DicomJson, interval: DateTimeRange) -> bool:
    days = texts(dataset.get(f"{interval.date:08X}"))
    clocks = texts(dataset.get(f"{interval.time:08X}"))
    if not days or not folding.date(days[0]):
        return False
    moment = folding.date(days[0]) + (folding.time(clocks[0]) if clocks else "000000.000000")
    return (interval.first is None or moment >= interval.first) and (interval.last is None or moment <= interval.last)
