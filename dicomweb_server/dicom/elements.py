"""What a walk over a data set finds: elements with their place, and their value where it is small."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

UNDEFINED = 0xFFFFFFFF


@dataclass(slots=True)
class Fragments:
    """Encapsulated pixel data (PS3.5 A.4)."""

    table: bytes = b""
    """The Basic Offset Table, or what there is of it."""
    table_end: int = 0
    """Where the item of the offset table ends: offsets count from here."""
    places: list[tuple[int, int]] = field(default_factory=list)
    """(start, length) of every fragment's bytes; a last one that the end cuts off is left out."""
    whole: bool = True
    """False where the end cut a fragment off."""


class Element(NamedTuple):
    tag: int
    vr: str
    start: int
    """Where the value begins in the stream that was walked."""
    length: int
    """Of the value; up to its delimiter where undefined, and what there is of it where the end cut it off."""
    value: bytes | list[DataSet] | Fragments | None
    """The bytes as encoded; items; None where the value is large and was passed over."""


DataSet = list[Element]


@dataclass(slots=True)
class Walked:
    """A whole data set."""

    elements: DataSet
    little_endian: bool
    warnings: list[str]
    end: int
    """Where it ends in its stream; behind it lies junk."""
    cut_off: bool
    """The stream ended inside an element."""


def find(elements: DataSet, tag: int) -> Element | None:
    """The last element of this tag on the outermost level (J-32: last wins)."""
    return next((element for element in reversed(elements) if element.tag == tag), None)
