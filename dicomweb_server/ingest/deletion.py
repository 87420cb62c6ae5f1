"""Deletion: a study, a series or an instance goes, and a tombstone says that it was here (E-01)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from dicomweb_server.catalog.base import Holdings
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.model.ids import Scope
from dicomweb_server.model.records import LOCAL, Principal
from dicomweb_server.objects import layout
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.signals.base import CHANGED, Signals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delete:
    """First the rows, then the bytes: a crash in between leaves objects of nobody, which the sweep removes."""

    objects: ObjectStore
    holdings: Holdings
    signals: Signals

    def __call__(
        self,
        scope: Scope,
        *,
        principal: Principal = LOCAL,
        reason: str = "deleted on request",
        tombstone: bool = True,
    ) -> None:
        """Bytes, metadata, thumbnails and search entries are gone on return. Raises NotFound, Gone."""
        scope = replace(scope, tenant=principal.tenant)
        orphans = self.holdings.delete(scope, reason=reason, tombstone=tombstone)
        made = [key for each in orphans for key in layout.made_from(each)]
        try:
            self.objects.delete([*orphans, *made])
        except BackendFailed:
            log.warning("%d objects of what was deleted are left to the sweep", len(orphans))
        self.signals.announce(CHANGED, _name(scope))


def _name(scope: Scope) -> str:
    uids = (scope.study, getattr(scope, "series", ""), getattr(scope, "instance", ""))
    return "/".join(uid for uid in uids if uid)
