"""A manifest: a JSON document that names a collection's studies, series and instances, and where each one lies.

    {"patient": {"id": "...", "issuer": "..."},
     "studies": [{"uid": "1.2", "time_point": "baseline", "position": 1, "attributes": {"00080020": {...}},
                  "series": [{"uid": "1.2.3", "attributes": {...},
                              "instances": [{"uid": "1.2.3.4", "url": "https://...",
                                             "size": 524288, "sha256": "...", "attributes": {...}}]}]}]}

``attributes`` are data sets in the DICOM JSON model. Content comes by HTTP(S) from listed hosts only: no other scheme,
no private address unless allowed, redirects checked again, sizes bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import orjson

from dicomweb_server.model.errors import BackendFailed, BadRequest, DicomwebError, NotFound, TooLarge
from dicomweb_server.model.ids import InstanceKey, SeriesKey, uid
from dicomweb_server.model.query import Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source

REDIRECTS = 5
BLOCK = 1 << 18
PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance of a manifest: where it lies and what is promised of it."""

    key: InstanceKey
    url: str
    size: int | None
    sha256: str | None
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


def parse(body: bytes, *, instances: int = 1_000_000) -> Manifest:
    """Read a manifest. Raises BadRequest naming what is wrong and where, TooLarge past ``instances``."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the manifest is not JSON: {error}") from None
    patient = _field(document, "patient", dict, "manifest", default={})
    studies = tuple(
        _study(study, f"studies[{n}]") for n, study in enumerate(_field(document, "studies", list, "manifest"))
    )
    count = sum(len(series.instances) for study in studies for series in study.series)
    if count > instances:
        raise TooLarge(f"the manifest names {count} instances; at most {instances} are taken")
    return Manifest(str(patient.get("id", "")), str(patient.get("issuer", "")), studies)


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
        _field(document, "url", str, where),
        _field(document, "size", int, where, default=None),
        _field(document, "sha256", str, where, default=None),
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


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which addresses content may come from."""

    hosts: frozenset[str]
    private: bool = False
    """Whether loopback and private addresses may be asked (a site's own network)."""
    resolve: Callable[[str, int], Sequence[str]] = field(default=lambda host, port: _addresses(host, port))

    def check(self, url: str) -> None:
        """Raises BadRequest when ``url`` may not be asked."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest("content locations must be http or https URLs")
        if parts.username or parts.password:
            raise BadRequest("content locations must not carry credentials")
        if parts.hostname not in self.hosts:
            raise BadRequest(f"content may not come from {parts.hostname}: it is not among the allowed hosts")
        if not self.private:
            self._check_public(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))

    def _check_public(self, host: str, port: int) -> None:
        for address in self.resolve(host, port):
            if not ipaddress.ip_address(address).is_global:
                raise BadRequest(f"content may not come from {host}: its address is private")


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        raise BackendFailed(f"{host} cannot be resolved", passing=True) from None


class ManifestSource:
    """The instances a manifest names, by HTTP(S)."""

    kind = Kind.MANIFEST

    def __init__(
        self,
        name: str,
        manifest: Manifest,
        allowed: Allowed,
        *,
        longest: int = 4 << 30,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self.name = name
        self._allowed = allowed
        self._longest = longest
        self._studies = {study.uid: study for study in manifest.studies}
        self._entries = {
            entry.key: entry for study in manifest.studies for series in study.series for entry in series.instances
        }
        self._client = httpx.Client(headers=dict(headers or {}), timeout=timeout_seconds, follow_redirects=False)

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        """A manifest is announced whole, so there is nothing here the catalog would not find."""
        return []

    def series(self, study: str) -> list[DicomJson]:
        return [_described(series.attributes, "0020000E", series.uid) for series in self._study(study).series]

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        for series in self._study(key.study).series:
            if series.uid == key.series:
                return [_described(entry.attributes, "00080018", entry.key.instance) for entry in series.instances]
        raise NotFound(f"{self.name} does not name series {key.series}")

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        return None

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        for key in keys:
            staged = stage()
            try:
                self._fetch(key, staged)
            except DicomwebError as error:
                staged.unlink(missing_ok=True)
                yield Fetched(key, error=error)
            else:
                yield Fetched(key, staged)

    def check(self) -> Iterator[Checked]:
        for host in sorted({urlsplit(entry.url).hostname or "" for entry in self._entries.values()}):
            yield Checked(f"content from {host}", host in self._allowed.hosts, "add it to the allowed hosts")

    def close(self) -> None:
        self._client.close()

    def _study(self, study: str) -> ManifestStudy:
        try:
            return self._studies[study]
        except KeyError:
            raise NotFound(f"{self.name} does not name study {study}") from None

    def _fetch(self, key: InstanceKey, staged: Path) -> None:
        entry = self._entries.get(key)
        if entry is None:
            raise NotFound(f"{self.name} does not name instance {key.instance}")
        limit = min(self._longest, entry.size if entry.size is not None else self._longest)
        digest = hashlib.sha256()
        written = 0
        try:
            with self._open(entry.url) as answer, staged.open("wb") as file:
                for block in answer.iter_bytes(BLOCK):
                    written += len(block)
                    if written > limit:
                        raise TooLarge(f"instance {key.instance} is longer than {limit} bytes")
                    digest.update(block)
                    file.write(block)
        except httpx.TransportError as error:
            raise BackendFailed(f"{self.name} cannot be reached: {type(error).__name__}", passing=True) from None
        if entry.size is not None and written != entry.size:
            raise BackendFailed(f"instance {key.instance} came with {written} of {entry.size} bytes", passing=True)
        if entry.sha256 is not None and digest.hexdigest() != entry.sha256.lower():
            raise BackendFailed(f"instance {key.instance} is not what the manifest promised: its digest differs")

    def _open(self, url: str) -> contextlib.closing[httpx.Response]:
        """Open the content, every redirect checked like the first address."""
        for _ in range(REDIRECTS):
            self._allowed.check(url)
            answer = self._client.send(self._client.build_request("GET", url), stream=True)
            if answer.status_code == 200:
                return contextlib.closing(answer)
            answer.close()
            if not answer.is_redirect:
                raise BackendFailed(f"{self.name} answered {answer.status_code}", passing=answer.status_code in PASSING)
            url = urljoin(url, answer.headers["Location"])
        raise BackendFailed(f"{self.name} redirects without end")


def _described(attributes: DicomJson, tag: str, value: str) -> DicomJson:
    return {**attributes, tag: {"vr": "UI", "Value": [value]}}


_: type[Source] = ManifestSource
