"""Content that manifests name, by HTTP(S) from listed hosts only.

No other scheme, no private address unless allowed, redirects checked again, sizes bounded. Addresses are looked at
before a host is asked, and again once it is connected: a name may come to mean another machine in between.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from dicomweb_server.model.errors import BackendFailed, BadRequest, DicomwebError, NotFound, TooLarge
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.manifest import Location, check_location
from dicomweb_server.model.query import Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source

REDIRECTS = 5
BLOCK = 1 << 18
PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which addresses content may come from."""

    hosts: frozenset[str]
    private: bool = False
    """Whether loopback and private addresses may be asked (a site's own network)."""
    resolve: Callable[[str, int], Sequence[str]] = field(default=lambda host, port: _addresses(host, port))

    def check(self, url: str) -> None:
        """Raises BadRequest when ``url`` may not be asked."""
        check_location(url, self.hosts)
        parts = urlsplit(url)
        for address in self.resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)):
            self.check_address(address)

    def check_address(self, address: str) -> None:
        """Raises BadRequest for an address that may not be asked."""
        if not self.private and not ipaddress.ip_address(address).is_global:
            raise BadRequest("content may not come from a private address")


def _addresses(host: str, port: int) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        raise BackendFailed(f"{host} cannot be resolved", passing=True) from None


class ContentSource:
    """The instances that manifests named: what is known of them stands in the catalog, their content elsewhere."""

    kind = Kind.MANIFEST

    def __init__(
        self,
        name: str,
        locations: Callable[[Sequence[InstanceKey]], Mapping[InstanceKey, Location]],
        allowed: Allowed,
        *,
        longest: int = 4 << 30,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self.name = name
        self._locations = locations
        self._allowed = allowed
        self._longest = longest
        self._client = httpx.Client(headers=dict(headers or {}), timeout=timeout_seconds, follow_redirects=False)

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        """A manifest is announced whole, so there is nothing here the catalog would not find."""
        return []

    def series(self, study: str) -> list[DicomJson]:
        raise NotFound(f"{self.name} names nothing that is not announced")

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        return []

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        return None

    def fetch(self, keys: Sequence[InstanceKey], stage: Callable[[], Path]) -> Iterator[Fetched]:
        locations = self._locations(keys)
        for key in keys:
            found = locations.get(key)
            if found is None:
                yield Fetched(key, error=NotFound(f"no manifest says where instance {key.instance} lies"))
                continue
            staged = stage()
            try:
                self.download(found, staged)
            except DicomwebError as error:
                staged.unlink(missing_ok=True)
                yield Fetched(key, error=error)
            else:
                yield Fetched(key, staged)

    def check(self) -> Iterator[Checked]:
        for host in sorted(self._allowed.hosts):
            try:
                for address in self._allowed.resolve(host, 443):
                    self._allowed.check_address(address)
            except DicomwebError as error:
                yield Checked(f"content from {host}", False, str(error))
            else:
                yield Checked(f"content from {host}", True)

    def close(self) -> None:
        self._client.close()

    def download(self, wanted: Location, staged: Path, *, longest: int | None = None) -> None:
        """Bring what lies there to a file. Raises BadRequest, TooLarge, NotFound, BackendFailed."""
        longest = self._longest if longest is None else longest
        limit = min(longest, wanted.size if wanted.size is not None else longest)
        digest = hashlib.sha256()
        written = 0
        try:
            with self._open(wanted.url) as answer, staged.open("wb") as file:
                for block in answer.iter_bytes(BLOCK):
                    written += len(block)
                    if written > limit:
                        raise TooLarge(f"the content is longer than {limit} bytes")
                    digest.update(block)
                    file.write(block)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise BackendFailed(f"the content cannot be had: {type(error).__name__}", passing=True) from None
        if wanted.size is not None and written != wanted.size:
            raise BackendFailed(f"the content came with {written} of {wanted.size} bytes", passing=True)
        if wanted.sha256 is not None and digest.hexdigest() != wanted.sha256.lower():
            raise BackendFailed("the content is not what the manifest promised: its digest differs")

    def _open(self, url: str) -> contextlib.closing[httpx.Response]:
        """Open the content, every redirect checked like the first address."""
        for _ in range(REDIRECTS):
            self._allowed.check(url)
            answer = self._client.send(self._client.build_request("GET", url), stream=True)
            try:
                self._allowed.check_address(answer.extensions["network_stream"].get_extra_info("server_addr")[0])
            except BadRequest:
                answer.close()
                raise
            if answer.status_code == 200:
                return contextlib.closing(answer)
            answer.close()
            if answer.status_code in (404, 410):
                raise NotFound("there is no content where the manifest says")
            if not answer.is_redirect:
                passing = answer.status_code in PASSING
                raise BackendFailed(f"the host of the content answered {answer.status_code}", passing=passing)
            url = urljoin(url, answer.headers["Location"])
        raise BackendFailed("the host of the content redirects without end")


_: type[Source] = ContentSource
