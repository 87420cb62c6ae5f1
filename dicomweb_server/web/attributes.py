"""Attribute names as clients write them: tags, keywords, and paths of both joined by dots (Q-04)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.datadict import dictionary_VM, dictionary_VR, private_dictionary_VR, tag_for_keyword

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.query import Path

MAX_DEPTH = 8

_TAG = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class Attribute:
    path: Path
    vr: str
    """``UN`` for what no dictionary knows."""

    @property
    def tag(self) -> int:
        return self.path[-1]

    @property
    def private(self) -> bool:
        return any(_is_private(tag) for tag in self.path)

    @property
    def creators(self) -> tuple[Path, ...]:
        """The paths of the private creator elements this attribute depends on (Q-11)."""
        places = (n for n, tag in enumerate(self.path) if _is_private(tag) and not _is_creator(tag))
        return tuple((*self.path[:n], creator_of(self.path[n])) for n in places)


def attribute(name: str) -> Attribute | None:
    """Look up ``name``; None when no dictionary has it. Raises BadRequest when a step of the path is no sequence."""
    steps = name.split(".")
    if len(steps) > MAX_DEPTH:
        raise BadRequest(f"an attribute path is at most {MAX_DEPTH} deep")
    path = tuple(_tag_of(step) for step in steps)
    if None in path:
        return None
    tags = tuple(tag for tag in path if tag is not None)
    if any(vr_of(tag) not in ("SQ", "UN") for tag in tags[:-1]):
        raise BadRequest(f"not a path of sequences: {name[:80]!r}")
    return Attribute(tags, vr_of(tags[-1]))


def with_creator(found: Attribute, creator: str) -> Attribute:
    """``found``, a private attribute, with the VR that the dictionary of ``creator`` gives it."""
    try:
        return Attribute(found.path, str(private_dictionary_VR(found.tag, creator)))
    except KeyError:
        return found


def vr_of(tag: int) -> str:
    """The VR, the first where the dictionary names several; ``LO`` for private creators, ``UN`` when unknown."""
    if _is_creator(tag):
        return "LO"
    try:
        return str(dictionary_VR(tag)).split(" or ")[0]
    except KeyError:
        return "UN"


def is_multivalued(tag: int) -> bool:
    try:
        return str(dictionary_VM(tag)) != "1"
    except KeyError:
        return False


def creator_of(tag: int) -> int:
    """The creator element of a private attribute: (gggg,00bb) of (gggg,bbee) (PS3.5 7.8.1)."""
    return (tag & 0xFFFF0000) | ((tag >> 8) & 0xFF)


def _is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def _is_creator(tag: int) -> bool:
    return _is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def _tag_of(step: str) -> int | None:
    if _TAG.fullmatch(step):
        tag = int(step, 16)
        return tag if _is_private(tag) or vr_of(tag) != "UN" else None
    found = tag_for_keyword(step)
    return None if found is None else int(found)
