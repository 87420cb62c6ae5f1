"""What travels between the rooms about stored instances."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dicomweb_server.model.ids import InstanceKey, SeriesKey

DicomJson = dict[str, Any]
"""One data set in the DICOM JSON model (PS3.18 F.2): tags as upper-case hex, in ascending order."""

BASE = b"{{base}}"
"""Stands in stored metadata where the public base URL of the DICOMweb service goes."""


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``start``."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Derived:
    """What one parse of a Part 10 file's header yields. Made by ``dicom.derive``, pure."""

    key: InstanceKey
    sop_class: str
    transfer_syntax: str
    """As named in group 2, or as found out when that is missing or wrong."""
    metadata: DicomJson
    """Every attribute but group 2, group lengths and bulk values (W-10 to W-16)."""
    metadata_json: bytes
    """``metadata`` as it is served, with ``BASE`` where a bulk reference needs the public address."""
    frames: bytes | None
    """The frame index, encoded by ``dicom.frames``; None where there is no pixel data."""
    frame_count: int
    digest: bytes
    """SHA-256 of the data set as encoded in the file, from the first byte after group 2."""
    size: int
    """Bytes of the whole file."""
    warnings: tuple[str, ...] = ()
    coerced: bool = False
    """Values were changed on arrival, as the data set itself records."""


class Door(StrEnum):
    """Where an instance came in."""

    STOW = "stow"
    CSTORE = "cstore"
    IMPORT = "import"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True)
class Origin:
    """Pushed to us, or fetched from a source: eviction depends on it."""

    door: Door
    source: str | None = None
    """Name of the source it was fetched from; None when pushed."""
    calling_aet: str | None = None
    move_originator_aet: str | None = None
    """Who asked the C-MOVE this C-STORE belongs to, by the sender's word (0000,1030)."""
    move_message_id: int | None = None
    """Message id of that C-MOVE (0000,1031)."""


@dataclass(eq=False, slots=True)
class Company:
    """Arrivals that come together, so that they may be committed together."""

    to_come: bool = False
    """Whether more of them are on their way, and nobody waits for an answer before."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete Part 10 file in the staging folder of the object store, and what was read from it."""

    staged: Path
    derived: Derived
    origin: Origin


class Fate(StrEnum):
    """What became of an arrival."""

    STORED = "stored"
    REPLACED = "replaced"
    """Other content under the same UIDs; a new version is current now."""
    SAME = "same"
    """The same content was here already: a no-op."""
    KEPT_FIRST = "kept-first"
    """Other content under the same UIDs; the first was kept, this one dropped."""
    REFUSED = "refused"
    """Other content under the same UIDs, refused by setting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    key: InstanceKey
    sop_class: str
    fate: Fate
    warnings: tuple[str, ...] = ()
    coerced: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """The current content of an instance: where its bytes lie and what is needed to serve them."""

    key: InstanceKey
    version: str
    """Random id, part of the object key and of every ETag."""
    object_key: str
    size: int
    digest: bytes
    sop_class: str
    transfer_syntax: str
    frames: bytes | None
    frame_count: int


@dataclass(frozen=True, slots=True)
class SeriesDocument:
    """A series' metadata as one stored document."""

    key: SeriesKey
    object_key: str
    """The identity form; the gzip form has ``.gz`` after it."""
    etag: str
    instances: int


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. Every call into ingest, retrieve and operations carries one."""

    name: str = "local"
    tenant: str = "default"
    rights: frozenset[str] = field(default_factory=lambda: frozenset({"*"}))


LOCAL = Principal()
