"""A manifest: a JSON document that names a collection's studies, series and instances, and where each one lies.

    {"patient": {"id": "...", "issuer": "..."},
     "studies": [{"uid": "1.2", "time_point": "baseline", "position": 1, "attributes": {"00080020": {...}},
                  "series": [{"uid": "1.2.3", "attributes": {...},
                              "instances": [{"uid": "1.2.3.4", "url": "https://...",
                                             "size": 524288, "sha256": "...", "attributes": {...}}]}]}]}

``attributes`` are data sets in the DICOM JSON model.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.model.ids import InstanceKey, uid
from dicomweb_server.model.records import DicomJson

MANIFESTS = "manifests"
"""The name of the source of everything that manifests name."""
INSTANCES = 1_000_000
"""One manifest may name so many."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the content of an instance lies, and what is promised of it."""

    url: str
    size: int | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        """As it is written down; ``location`` reads it."""
        return json.dumps({"url": self.url, "size": self.size, "sha256": self.sha256})


def location(text: str) -> Location:
    return Location(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance of a manifest."""

    key: InstanceKey
    location: Location
    attributes: DicomJson


@dataclass(frozen=True, slots=True)
class ManifestSeries:
    uid: str
    attributes: DicomJson
    instances: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ManifestStudy:
    uid: str
    time_point: str
    position: int
    attributes: DicomJson
    series: tuple[ManifestSeries, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    patient_id: str
    issuer: str
    studies: tuple[ManifestStudy, ...]

    @property
    def entries(self) -> Iterator[Entry]:
        return (entry for study in self.studies for series in study.series for entry in series.instances)


def manifest_of(document: object, *, hosts: Collection[str], instances: int = INSTANCES) -> Manifest:
    """The manifest that a JSON document is, its content on ``hosts`` alone.

    Raises BadRequest naming what is wrong and where, TooLarge past ``instances``.
    """
    patient = _field(document, "patient", dict, "manifest", default={})
    described = _field(document, "studies", list, "manifest")
    if not described:
        raise BadRequest("manifest.studies is empty")
    studies = tuple(_study(study, f"studies[{n}]") for n, study in enumerate(described))
    if len({study.uid for study in studies}) != len(studies):
        raise BadRequest("manifest.studies names a study twice")
    manifest = Manifest(str(patient.get("id", "")), str(patient.get("issuer", "")), studies)
    count = sum(len(series.instances) for study in studies for series in study.series)
    if count > instances:
        raise TooLarge(f"the manifest names {count} instances; at most {instances} are taken")
    for entry in manifest.entries:
        check_location(entry.location.url, hosts)
    return manifest


def check_location(url: str, hosts: Collection[str]) -> None:
    """Raises BadRequest where content may not be asked for at ``url``, whatever its host's address."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadRequest("content locations must be http or https URLs") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest("content locations must be http or https URLs")
    if parts.username or parts.password:
        raise BadRequest("content locations must not carry credentials")
    if parts.hostname not in hosts:
        raise BadRequest(f"content may not come from {parts.hostname}: it is not among the allowed hosts")


def _study(document: Any, where: str) -> ManifestStudy:
    study = uid(_field(document, "uid", str, where), "Study Instance UID")
    return ManifestStudy(
        study,
        _field(document, "time_point", str, where, default=""),
        _field(document, "position", int, where, default=0),
        _field(document, "attributes", dict, where, default={}),
        tuple(
            _series(series, study, f"{where}.series[{n}]")
            for n, series in enumerate(_field(document, "series", list, where))
        ),
    )


def _series(document: Any, study: str, where: str) -> ManifestSeries:
    series = uid(_field(document, "uid", str, where), "Series Instance UID")
    return ManifestSeries(
        series,
        _field(document, "attributes", dict, where, default={}),
        tuple(
            _entry(entry, study, series, f"{where}.instances[{n}]")
            for n, entry in enumerate(_field(document, "instances", list, where))
        ),
    )


def _entry(document: Any, study: str, series: str, where: str) -> Entry:
    instance = uid(_field(document, "uid", str, where), "SOP Instance UID")
    return Entry(
        InstanceKey(study, series, instance),
        Location(
            _field(document, "url", str, where),
            _field(document, "size", int, where, default=None),
            _field(document, "sha256", str, where, default=None),
        ),
        _field(document, "attributes", dict, where, default={}),
    )


_MISSING: Any = object()


def _field(document: Any, name: str, kind: type, where: str, default: Any = _MISSING) -> Any:
    if not isinstance(document, dict):
        raise BadRequest(f"{where} is not an object")
    value = document.get(name, default)
    if value is _MISSING:
        raise BadRequest(f"{where} has no {name!r}")
    if value is not default and (not isinstance(value, kind) or isinstance(value, bool)):
        raise BadRequest(f"{where}.{name} is not of type {kind.__name__}")
    return value
