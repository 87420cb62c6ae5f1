"""Another DICOMweb server: QIDO-RS to list, WADO-RS metadata for descriptions, WADO-RS instances for the bytes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from dicomweb_server.model.errors import BackendFailed, DicomwebError, NotFound
from dicomweb_server.model.ids import InstanceKey, SeriesKey
from dicomweb_server.model.query import Key, Level, Match, Query
from dicomweb_server.model.records import DicomJson
from dicomweb_server.sources.base import Checked, Fetched, Kind, Source
from dicomweb_server.sources.multipart import first_part

JSON = {"Accept": "application/dicom+json, application/json"}
AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
PAGE = 1000
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_RETRY_AFTER_SECONDS = 60.0


class DicomwebSource:
    """Instances one by one over kept-alive connections, several sources of this kind side by side."""

    kind = Kind.DICOMWEB

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
        connections: int = 4,
        attempts: int = 3,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._attempts = attempts
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers=dict(headers or {}),
            timeout=timeout_seconds,
            verify=tls if tls is not None else True,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def search(self, query: Query, *, seconds: float) -> list[DicomJson]:
        parameters = [*map(_parameter, query.keys), *_included(query), ("limit", str(query.limit + query.offset))]
        return self._list(_target(query), parameters, seconds=seconds)

    def series(self, study: str) -> list[DicomJson]:
        found = self._all(f"/studies/{study}/series", [("includefield", "all")])
        if not found:
            raise NotFound(f"{self.name} does not know study {study}")
        return found

    def instances(self, key: SeriesKey) -> list[DicomJson]:
        return self._all(f"/studies/{key.study}/series/{key.series}/instances", [])

    def metadata(self, key: SeriesKey) -> list[DicomJson] | None:
        answer = self._get(f"/studies/{key.study}/series/{key.series}/metadata", headers=JSON)
        return _data_sets(answer)

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
        yield self._checked("search (QIDO-RS)", "/studies", [("limit", "1")])

    def close(self) -> None:
        self._client.close()

    def _fetch(self, key: InstanceKey, staged: Path) -> None:
        path = f"/studies/{key.study}/series/{key.series}/instances/{key.instance}"
        for attempt in range(1, self._attempts + 1):
            try:
                with self._client.stream("GET", path, headers=AS_STORED) as answer:
                    _raise_for(answer, self.name, path)
                    with staged.open("wb") as file:
                        for block in first_part(answer.headers.get("Content-Type", ""), answer.iter_bytes(1 << 18)):
                            file.write(block)
                return
            except httpx.TransportError as error:
                self._wait(attempt, _unreachable(self.name, error))
            except BackendFailed as error:
                self._wait(attempt, error)

    def _get(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] = JSON,
        seconds: float | None = None,
    ) -> httpx.Response:
        timeout = httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds)
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._client.get(path, params=list(parameters), headers=dict(headers), timeout=timeout)
                _raise_for(answer, self.name, path)
                return answer
            except httpx.TransportError as error:
                self._wait(self._attempts if seconds else attempt, _unreachable(self.name, error))
            except BackendFailed as error:
                self._wait(self._attempts if seconds else attempt, error)

    def _wait(self, attempt: int, error: BackendFailed) -> None:
        """Wait before another attempt, as long as the source asked for; raise when there is none."""
        if attempt >= self._attempts or not error.passing:
            raise error
        asked = getattr(error, "retry_after", None)
        self._sleep(min(asked if asked is not None else 0.5 * 2.0**attempt, LONGEST_RETRY_AFTER_SECONDS))

    def _list(
        self, path: str, parameters: Sequence[tuple[str, str]], *, seconds: float | None = None
    ) -> list[DicomJson]:
        return _data_sets(self._get(path, parameters, seconds=seconds))

    def _all(self, path: str, parameters: Sequence[tuple[str, str]]) -> list[DicomJson]:
        """Every match, page by page, until a page brings nothing new: some servers ignore ``offset``."""
        found: dict[str, DicomJson] = {}
        while True:
            page = self._list(path, [*parameters, ("limit", str(PAGE)), ("offset", str(len(found)))])
            before = len(found)
            found.update({_uid(data_set): data_set for data_set in page})
            if len(found) == before or len(page) < PAGE:
                return list(found.values())

    def _checked(self, what: str, path: str, parameters: Sequence[tuple[str, str]]) -> Checked:
        try:
            self._get(path, parameters)
        except DicomwebError as error:
            return Checked(what, False, str(error))
        return Checked(what, True)


class _Busy(BackendFailed):
    """The source asked to be left alone for ``retry_after`` seconds."""

    def __init__(self, text: str, *, retry_after: float) -> None:
        super().__init__(text, passing=True)
        self.retry_after = retry_after


def _raise_for(answer: httpx.Response, name: str, path: str) -> None:
    status = answer.status_code
    if status in (200, 204, 206):
        return
    if status in (404, 410):
        raise NotFound(f"{name} does not know {path}")
    text = f"{name} answered {status} to {path}"
    retry_after = answer.headers.get("Retry-After", "")
    if status in PASSING and retry_after.isdigit():
        raise _Busy(text, retry_after=float(retry_after))
    raise BackendFailed(text, passing=status in PASSING)


def _unreachable(name: str, error: httpx.TransportError) -> BackendFailed:
    return BackendFailed(f"{name} cannot be reached: {type(error).__name__}", passing=True)


def _data_sets(answer: httpx.Response) -> list[DicomJson]:
    if answer.status_code == 204 or not answer.content:
        return []
    try:
        body: Any = answer.json()
    except ValueError:
        raise BackendFailed("the source's answer is not JSON") from None
    if not isinstance(body, list):
        raise BackendFailed("the source's answer is not a list of data sets")
    return body


def _uid(data_set: DicomJson) -> str:
    for tag in ("00080018", "0020000E", "0020000D"):
        values = data_set.get(tag, {}).get("Value")
        if values:
            return str(values[0])
    raise BackendFailed("the source's answer names no UID")


def _target(query: Query) -> str:
    match query.level:
        case Level.STUDY:
            return "/studies"
        case Level.SERIES:
            return f"/studies/{query.study}/series" if query.study else "/series"
        case Level.INSTANCE:
            series = f"/series/{query.series}" if query.series else ""
            return f"/studies/{query.study}{series}/instances" if query.study else "/instances"


def _parameter(key: Key) -> tuple[str, str]:
    name = ".".join(f"{tag:08X}" for tag in key.path)
    match key.match:
        case Match.UNIVERSAL:
            return name, ""
        case Match.RANGE:
            return name, "-".join(key.values)
        case _:
            return name, ",".join(key.values)


def _included(query: Query) -> list[tuple[str, str]]:
    if query.include_all:
        return [("includefield", "all")]
    return [("includefield", ".".join(f"{tag:08X}" for tag in path)) for path in sorted(query.include)]


_: type[Source] = DicomwebSource
