"""The source systems in front of which this server stands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dicomweb_server.assembly.backends import Backends
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.settings import Settings, SettingsError, SourceSettings
from dicomweb_server.sources.base import Source


@contextmanager
def open_sources(settings: Settings, backends: Backends) -> Iterator[dict[str, Source]]:
    """The sources by name, in the order in which they are asked."""
    from dicomweb_server.sources.watched import Watched

    opened: dict[str, Source] = {}
    try:
        for wanted in settings.sources:
            source = (_pacs if wanted.kind == "pacs" else _dicomweb)(settings, wanted, backends)
            opened[wanted.name] = Watched(source)
        yield opened
    finally:
        for source in opened.values():
            source.close()


def _dicomweb(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.dicomweb import DicomwebSource

    headers = {}
    if wanted.authorization_env:
        if wanted.authorization_env not in os.environ:
            raise SettingsError(f"source {wanted.name}: {wanted.authorization_env} is not in the environment")
        headers["Authorization"] = os.environ[wanted.authorization_env]
    return DicomwebSource(
        wanted.name,
        wanted.url,
        headers=headers,
        timeout_seconds=wanted.timeout_seconds,
        connections=wanted.connections,
    )


def _pacs(settings: Settings, wanted: SourceSettings, backends: Backends) -> Source:
    from dicomweb_server.sources.pacs import PacsSource, Peer, Pulls

    peer = Peer(
        wanted.host,
        wanted.port,
        wanted.called_aet,
        wanted.calling_aet or settings.dimse.aet,
        associations=wanted.connections,
        answer_seconds=wanted.timeout_seconds,
    )
    if wanted.retrieve == "get":
        return PacsSource(wanted.name, peer)
    destination = wanted.move_to or settings.dimse.aet
    pulling = backends.catalog.pulling

    def written_down(keys: Sequence[InstanceKey]) -> int:
        return pulling.open_pull(keys[0].of_series, source=wanted.name, destination=destination)

    return PacsSource(wanted.name, peer, move_to=destination, pulls=Pulls(written_down, pulling.close_pull))
