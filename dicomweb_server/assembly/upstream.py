"""The source systems in front of which this server stands."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dicomweb_server.assembly.backends import Backends
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.manifest import MANIFESTS
from dicomweb_server.settings import Settings, SettingsError, SourceSettings, address
from dicomweb_server.sources.base import Source

if TYPE_CHECKING:
    from dicomweb_server.sources.content import ContentSource


@contextmanager
def open_sources(settings: Settings, backends: Backends) -> Iterator[dict[str, Source]]:
    """The sources by name, in the order in which they are asked."""
    from dicomweb_server.sources.issuing import Issuing
    from dicomweb_server.sources.watched import Watched

    opened: dict[str, Source] = {}
    try:
        for wanted in settings.sources:
            source = (_pacs if wanted.kind == "pacs" else _dicomweb)(settings, wanted, backends)
            opened[wanted.name] = Watched(Issuing(source, wanted.issuer) if wanted.issuer else source)
        if settings.collections.hosts:
            opened[MANIFESTS] = Watched(content_source(settings, backends))
        yield opened
    finally:
        for source in opened.values():
            source.close()


def content_source(settings: Settings, backends: Backends) -> ContentSource:
    """What manifests name."""
    from dicomweb_server.sources.content import Allowed, ContentSource

    wanted = settings.collections
    return ContentSource(
        MANIFESTS,
        backends.catalog.pulling.locations,
        Allowed(frozenset(wanted.hosts), wanted.private_hosts),
        longest=settings.ingest.max_instance_bytes,
        headers=_headers("collections", wanted.headers_env),
    )


def _dicomweb(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.dicomweb import DicomwebSource

    headers = _headers(f"source {wanted.name}", wanted.headers_env)
    if wanted.authorization_env:
        headers["Authorization"] = _secret(f"source {wanted.name}", wanted.authorization_env)
    return DicomwebSource(
        wanted.name,
        wanted.url,
        headers=headers,
        timeout_seconds=wanted.timeout_seconds,
        connections=wanted.connections,
        tls=_tls(wanted) if wanted.url.startswith("https:") else None,
    )


def _headers(where: str, entries: Sequence[str]) -> dict[str, str]:
    """From entries NAME=VARIABLE. Raises SettingsError."""
    pairs = (entry.partition("=") for entry in entries)
    return {header.strip(): _secret(where, variable.strip()) for header, _, variable in pairs}


def _secret(where: str, variable: str) -> str:
    if variable not in os.environ:
        raise SettingsError(f"{where}: {variable} is not in the environment")
    return os.environ[variable]


def _tls(wanted: SourceSettings) -> ssl.SSLContext:
    """Who it is, is checked against the system's authorities, or those of ``tls_ca``. Raises SettingsError."""
    try:
        context = ssl.create_default_context(cafile=wanted.tls_ca or None)
        if wanted.tls_cert:
            context.load_cert_chain(wanted.tls_cert, wanted.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"source {wanted.name}: tls_ca, tls_cert or tls_key cannot be used: {error}") from None
    return context


def _pacs(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.associations import Peer
    from dicomweb_server.sources.finding import PATIENT_ROOT, STUDY_ROOT
    from dicomweb_server.sources.pacs import PacsSource, Pulls

    peer = Peer(
        wanted.host,
        wanted.port,
        wanted.called_aet,
        wanted.calling_aet or settings.dimse.aet,
        associations=wanted.connections,
        answer_seconds=wanted.timeout_seconds,
        tls=_tls(wanted) if wanted.tls else None,
    )
    root = PATIENT_ROOT if wanted.model == "patient" else STUDY_ROOT
    here = address(settings.dimse.listen)
    if wanted.retrieve == "get":
        return PacsSource(wanted.name, peer, root=root, here=here)
    destination = wanted.move_to or settings.dimse.aet
    pulling = backends.catalog.pulling

    def written_down(keys: Sequence[InstanceKey]) -> int:
        return pulling.open_pull(keys[0].of_series, source=wanted.name, destination=destination)

    pulls = Pulls(written_down, pulling.close_pull)
    return PacsSource(wanted.name, peer, root=root, move_to=destination, pulls=pulls, here=here)
