"""Associations with one PACS: never more than its budget, and kept for a moment for whoever asks the same next."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from dicomweb_server.model.errors import BackendFailed, OutOfResources

KEPT_SECONDS = 5.0
"""An association nobody used for so long is released."""

Proposal = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """How a PACS is reached, and how long it may take."""

    host: str
    port: int
    called_aet: str
    calling_aet: str
    associations: int = 2
    """How many associations we keep with it at once."""
    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    """Silence longer than this ends the association: nothing is left hanging."""
    tls: ssl.SSLContext | None = None


@dataclass(eq=False, slots=True)
class _Idle:
    proposal: Proposal
    association: Association
    since: float = field(default_factory=time.monotonic)


class Associations:
    def __init__(self, name: str, peer: Peer) -> None:
        self._name = name
        self._peer = peer
        self._budget = threading.BoundedSemaphore(peer.associations)
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._using = 0
        self._closed = False

    @contextmanager
    def one(
        self,
        contexts: list[PresentationContext],
        *,
        roles: Sequence[Any] = (),
        handlers: Sequence[tuple[Any, Any, list[Any]]] = (),
        seconds: float | None = None,
    ) -> Iterator[Association]:
        """An association on which the first of ``contexts`` was accepted. Raises BackendFailed, OutOfResources."""
        peer = self._peer
        if not self._budget.acquire(timeout=seconds or peer.answer_seconds):
            raise OutOfResources(f"all {peer.associations} associations with {self._name} are busy")
        with self._lock:
            self._using += 1
        try:
            proposal = tuple((str(each.abstract_syntax), tuple(map(str, each.transfer_syntax))) for each in contexts)
            association = self._kept(proposal) or self._opened(contexts, roles, seconds)
            association.dimse_timeout = association.network_timeout = min(
                peer.answer_seconds, seconds or peer.answer_seconds
            )
            for event, handler, arguments in handlers:
                association.bind(event, handler, arguments)
            try:
                yield association
            except RuntimeError as error:
                raise BackendFailed(f"{self._name} ended the association", passing=True) from error
            except BaseException:
                _end(association)
                raise
            for event, handler, _ in handlers:
                association.unbind(event, handler)
            self._keep(proposal, association)
        finally:
            with self._lock:
                self._using -= 1
            self._budget.release()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for each in idle:
            _end(each.association)

    def _kept(self, proposal: Proposal) -> Association | None:
        """One that is still open. One for something else makes room: what is kept counts for the budget."""
        with self._lock:
            fitting = [each for each in self._idle if each.proposal == proposal]
            full = self._idle and self._using + len(self._idle) > self._peer.associations
            chosen = fitting[-1] if fitting else self._idle[0] if full else None
            if chosen is not None:
                self._idle.remove(chosen)
        if chosen is None:
            return None
        if chosen.proposal == proposal and chosen.association.is_established:
            return chosen.association
        _end(chosen.association)
        return None

    def _keep(self, proposal: Proposal, association: Association) -> None:
        if not association.is_established:
            return
        idle = _Idle(proposal, association)
        with self._lock:
            kept = not self._closed
            if kept:
                self._idle.append(idle)
        if not kept:
            _end(association)
            return
        timer = threading.Timer(KEPT_SECONDS, self._release, [idle])
        timer.daemon = True
        timer.start()

    def _release(self, idle: _Idle) -> None:
        with self._lock:
            if idle not in self._idle:
                return
            self._idle.remove(idle)
        _end(idle.association)

    def _opened(self, contexts: list[PresentationContext], roles: Sequence[Any], seconds: float | None) -> Association:
        peer = self._peer
        entity = AE(ae_title=peer.calling_aet)
        entity.acse_timeout = entity.connection_timeout = min(peer.connect_seconds, seconds or peer.connect_seconds)
        entity.dimse_timeout = entity.network_timeout = min(peer.answer_seconds, seconds or peer.answer_seconds)
        entity.maximum_pdu_size = 0
        association = entity.associate(
            peer.host,
            peer.port,
            contexts=deepcopy(contexts),
            ae_title=peer.called_aet,
            ext_neg=deepcopy(list(roles)),
            tls_args=(peer.tls, peer.host) if peer.tls else None,
        )
        if not association.is_established:
            raise self._unreachable(association)
        accepted = association.accepted_contexts
        if not accepted or accepted[0].abstract_syntax != contexts[0].abstract_syntax:
            _end(association)
            raise BackendFailed(f"{self._name} does not offer {contexts[0].abstract_syntax.name}")
        return association

    def _unreachable(self, association: Association) -> BackendFailed:
        if association.is_rejected:
            return BackendFailed(f"{self._name} rejected the association: check both AE titles there", passing=True)
        return BackendFailed(f"{self._name} cannot be reached", passing=True)


def _end(association: Association) -> None:
    if association.is_established:
        association.release()
