"""The source systems in front of which this server stands."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dicomweb_server.assembly.backends import Backends
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.settings import Settings, SettingsError, SourceSettings, address
from dicomweb_server.sources.base import Source


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
        yield opened
    finally:
        for source in opened.values():
            source.close()


def _dicomweb(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.dicomweb import DicomwebSource

    headers = {}
    if wanted.authorization_env:
        headers["Authorization"] = _secret(wanted, wanted.authorization_env)
    for entry in wanted.headers_env:
        header, _, variable = entry.partition("=")
        headers[header.strip()] = _secret(wanted, variable.strip())
    return DicomwebSource(
        wanted.name,
        wanted.url,
        headers=headers,
        timeout_seconds=wanted.timeout_seconds,
        connections=wanted.connections,
        tls=_tls(wanted) if wanted.url.startswith("https:") else None,
    )


def _secret(wanted: SourceSettings, variable: str) -> str:
    if variable not in os.environ:
        raise SettingsError(f"source {wanted.name}: {variable} is not in the environment")
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
