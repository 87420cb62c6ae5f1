"""Private attributes by the name of their creator: the block that holds them differs from file to file (Q-11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dicomweb_server.catalog.summaries import texts
from dicomweb_server.model.query import Key, Match
from dicomweb_server.model.records import DicomJson

Creators = Mapping[int, str]
"""Creator elements as a query spells them, and the names they hold."""


def is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def is_creator(tag: int) -> bool:
    return is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def creators(keys: Iterable[tuple[int, Key]]) -> dict[int, str]:
    """What ``keys`` of one data set say of creators."""
    return {tag: key.values[0] for tag, key in keys if is_creator(tag) and key.match is Match.SINGLE}


def located(dataset: DicomJson, tag: int, named: Creators) -> int | None:
    """Where ``dataset`` has ``tag`` of a query (PS3.5 7.8.1); None where its creator reserved no block."""
    if not is_private(tag):
        return tag
    asked = tag if is_creator(tag) else (tag & 0xFFFF0000) | (tag >> 8 & 0xFF)
    if asked not in named:
        return tag
    group = asked & 0xFFFF0000
    for block in range(0x10, 0x100):
        if [text.strip(" ") for text in texts(dataset.get(f"{group | block:08X}"))] == [named[asked]]:
            return group | block if is_creator(tag) else group | block << 8 | tag & 0xFF
    return None
