"""Which attributes a search returns, and a match put together from the summaries of its levels (Q-20 to Q-29)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from dicomweb_server.catalog import private, summaries
from dicomweb_server.catalog.attributes import (
    AVAILABILITY,
    COMPUTED,
    INSTANCE_SHOWN,
    RETURNED,
)
from dicomweb_server.dicom.attributes import level_of
from dicomweb_server.model.query import Level, Path, Query

LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)
_NEVER_ASKED = frozenset({"00080005", "00080201"})
_OF_THE_TARGET = frozenset({AVAILABILITY, "00081190"})
_SHOWN_OF_INSTANCE = INSTANCE_SHOWN | COMPUTED[Level.INSTANCE] | RETURNED[Level.INSTANCE]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tags by the level whose summary has them."""

    level: Level
    tags: Mapping[Level, frozenset[bytes]]
    whole: bool = False
    """All there is (includefield=all)."""
    from_metadata: frozenset[str] = frozenset()
    """Attributes of instances that their summaries lack."""
    pruned: Mapping[bytes, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    """Sequences of which only some attributes were asked for, by path."""
    creators: private.Creators = field(default_factory=dict)
    """Of the private attributes asked for."""
    present: tuple[tuple[bytes, bytes], ...] = ()
    """Match keys, returned empty where there is no value (Q-28)."""

    @property
    def levels(self) -> list[Level]:
        return [level for level in LEVELS if self.tags[level] or (self.whole and _at_most(level, self.level))]

    @property
    def needs_metadata(self) -> bool:
        return bool(self.from_metadata) or (self.whole and self.level is Level.INSTANCE)


def wanted(query: Query) -> Wanted:
    keys = tuple((key.path, key.vr) for key in query.keys)
    keys += tuple(((tag,), vr) for i in query.intervals for tag, vr in ((i.date, "DA"), (i.time, "TM")))
    upper = query.relational and query.study is None
    creators = private.creators((key.path[0], key) for key in query.keys if len(key.path) == 1)
    return _wanted(
        query.level, query.relational, upper, keys, query.include, query.include_all, tuple(creators.items())
    )


@lru_cache(maxsize=512)
def _wanted(
    level: Level,
    relational: bool,
    with_study: bool,
    keys: tuple[tuple[Path, str], ...],
    include: frozenset[Path],
    whole: bool,
    creators: tuple[tuple[int, str], ...],
) -> Wanted:
    tags: dict[Level, set[str]] = {each: set() for each in LEVELS}
    tags[level] |= RETURNED[level]
    if relational and level is Level.INSTANCE:
        tags[Level.SERIES] |= RETURNED[Level.SERIES] - RETURNED[Level.INSTANCE]
    if with_study and level is not Level.STUDY:
        tags[Level.STUDY] |= RETURNED[Level.STUDY] - RETURNED[level] - _OF_THE_TARGET
    paths = {path for path in include if _known(path, level)} | {path for path, _ in keys if _known(path, level)}
    already = set().union(*tags.values()) | {f"{path[0]:08X}" for path in paths if len(path) == 1}
    for path in paths:
        name = f"{path[0]:08X}"
        if not any(name in there for there in tags.values()):
            tags[level_of(path[0])].add(name)
    partly = {f"{path[0]:08X}" for path in paths} - already
    return Wanted(
        level,
        {each: frozenset(tag.encode() for tag in found) for each, found in tags.items()},
        whole,
        frozenset(tags[Level.INSTANCE] - _SHOWN_OF_INSTANCE),
        {tag.encode(): frozenset(_names(path[1:]) for path in paths if f"{path[0]:08X}" == tag) for tag in partly},
        dict(creators),
        tuple(
            (f"{path[0]:08X}".encode(), summaries.line(f"{path[0]:08X}", {"vr": vr}))
            for path, vr in keys
            if len(path) == 1 and path in paths and not private.is_private(path[0])
        ),
    )


def match(wanted: Wanted, parts: Iterable[tuple[Level, bytes]], body: bytes | None, *, nearline: bool) -> bytes:
    """One data set as JSON from the summaries in ``parts`` (highest level first) and the instance's metadata."""
    if wanted.whole:
        return _whole(wanted, parts, body, nearline=nearline)
    lines: list[bytes] = []
    for level, summary in parts:
        pick = summaries.picked if level is wanted.level else _shared
        lines += pick(summary, wanted.tags[level])
    if wanted.from_metadata and body is not None:
        dataset = orjson.loads(body)
        places = {private.located(dataset, int(tag, 16), wanted.creators) for tag in wanted.from_metadata}
        there = [f"{place:08X}" for place in places if place is not None]
        lines += [summaries.line(tag, dataset[tag]) for tag in there if tag in dataset]
    for tag, empty in wanted.present:
        if not any(line[1:9] == tag for line in lines):
            lines.append(empty)
    if wanted.pruned:
        lines = [_pruned(line, wanted.pruned[line[1:9]]) if line[1:9] in wanted.pruned else line for line in lines]
    return _joined(lines, nearline=nearline)


_shared = lru_cache(maxsize=64)(summaries.picked)
"""Of a level above: the same series stands in the match of each of its instances."""


def _whole(wanted: Wanted, parts: Iterable[tuple[Level, bytes]], body: bytes | None, *, nearline: bool) -> bytes:
    lines: dict[bytes, bytes] = {}
    for level, summary in parts:
        for line in summary.split(b"\n"):
            if level is wanted.level or line[1:9].decode() not in _OF_THE_TARGET:
                lines[line[1:9]] = line
    if body is not None:
        dataset = orjson.loads(body)
        found = {tag: attribute for tag, attribute in dataset.items() if "BulkDataURI" not in attribute}
        lines |= {tag.encode(): summaries.line(tag, attribute) for tag, attribute in found.items()}
    for tag, empty in wanted.present:
        lines.setdefault(tag, empty)
    return _joined(list(lines.values()), nearline=nearline)


def _joined(lines: list[bytes], *, nearline: bool) -> bytes:
    lines.sort()
    joined = b"{" + b",".join(lines) + b"}"
    return joined.replace(summaries.ONLINE, summaries.NEARLINE, 1) if nearline else joined


def _pruned(line: bytes, paths: frozenset[tuple[str, ...]]) -> bytes:
    """A sequence with what ``paths`` name of its items only (Q-28)."""
    attribute = orjson.loads(line[11:])
    attribute["Value"] = [_item(item, paths) for item in attribute.get("Value", [])]
    if not attribute["Value"]:
        del attribute["Value"]
    return summaries.line(line[1:9].decode(), attribute)


def _item(item: dict[str, Any], paths: frozenset[tuple[str, ...]]) -> dict[str, Any]:
    kept = {}
    for tag, attribute in item.items():
        inner = frozenset(path[1:] for path in paths if path[:1] == (tag,))
        if () in inner:
            kept[tag] = attribute
        elif inner:
            kept[tag] = {**attribute, "Value": [_item(one, inner) for one in attribute.get("Value", [])]}
    return kept


def _names(path: Path) -> tuple[str, ...]:
    return tuple(f"{tag:08X}" for tag in path)


def _known(path: Path, level: Level) -> bool:
    """What belongs to a lower level is silently not returned (Q-26)."""
    return f"{path[0]:08X}" not in _NEVER_ASKED and _at_most(level_of(path[0]), level)


def _at_most(level: Level, target: Level) -> bool:
    return LEVELS.index(level) <= LEVELS.index(target)
