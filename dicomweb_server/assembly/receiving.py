"""The one way in, for every role that takes instances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from dicomweb_server.assembly.backends import Backends
from dicomweb_server.model.ids import InstanceKey
from dicomweb_server.model.manifest import MANIFESTS
from dicomweb_server.model.records import Derived, Origin
from dicomweb_server.settings import Settings

ISSUER = "00100021"

if TYPE_CHECKING:
    from dicomweb_server.dicom.coerce import Coercion
    from dicomweb_server.ingest.receive import Receive


@contextmanager
def open_receive(settings: Settings, backends: Backends) -> Iterator[Receive]:
    """The one way in. At the end everything handed over is answered."""
    from dicomweb_server.ingest.commit import GroupCommit
    from dicomweb_server.ingest.deciding import Policy
    from dicomweb_server.ingest.receive import Receive
    from dicomweb_server.ingest.staged import read_staged

    commit = GroupCommit(
        backends.objects,
        backends.catalog.holdings,
        backends.signals,
        Policy(settings.ingest.conflict),
        quiet_seconds=settings.ingest.series_quiet_seconds,
        source_of=_source_of(settings, backends),
    )
    receive = Receive(
        commit,
        read=partial(read_staged, zero_preamble=settings.ingest.zero_preamble),
        coercion=_coercion(settings, commit.source_of),
    )
    try:
        yield receive
    finally:
        receive.close()


def _coercion(
    settings: Settings, source_of: Callable[[Origin, InstanceKey], str | None]
) -> Callable[[Origin, Derived], Coercion | None]:
    """The issuer of PatientIDs that name none, by where they come from (S-13)."""
    from dicomweb_server.dicom.coerce import Coercion

    issuers = {each.name: each.issuer for each in settings.sources if each.issuer}
    if settings.collections.issuer:
        issuers[MANIFESTS] = settings.collections.issuer
    pushed = settings.ingest.issuer

    def coercion(origin: Origin, derived: Derived) -> Coercion | None:
        if not (issuers or pushed) or derived.metadata.get(ISSUER, {}).get("Value"):
            return None
        source = source_of(origin, derived.key)
        issuer = issuers.get(source, "") if source is not None else pushed
        return Coercion({int(ISSUER, 16): ("LO", issuer)}, source or origin.calling_aet or "") if issuer else None

    return coercion


def _source_of(settings: Settings, backends: Backends) -> Callable[[Origin, InstanceKey], str | None]:
    """Tells what comes in by a C-MOVE of ours from a push: by originator and message id (PS3.7 9.3.1.1)."""
    ours = {each.calling_aet or settings.dimse.aet: each for each in settings.sources if each.retrieve == "move"}

    def source_of(origin: Origin, key: InstanceKey) -> str | None:
        wanted = ours.get((origin.move_originator_aet or "").strip())
        if origin.source is not None or wanted is None or origin.move_message_id is None:
            return origin.source
        destination = wanted.move_to or settings.dimse.aet
        return backends.catalog.pulling.pulled_by(origin.move_message_id, destination=destination, study_uid=key.study)

    return source_of
