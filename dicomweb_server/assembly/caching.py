"""What keeps the cache within its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomweb_server.assembly.backends import Backends
from dicomweb_server.settings import Settings

if TYPE_CHECKING:
    from dicomweb_server.ingest.eviction import Evict

DAY_SECONDS = 86_400


def eviction(settings: Settings, backends: Backends) -> Evict:
    from dicomweb_server.ingest.eviction import Evict

    return Evict(
        backends.objects,
        backends.catalog.caching,
        backends.signals,
        max_bytes=settings.cache.max_bytes,
        max_age_seconds=settings.cache.max_age_days * DAY_SECONDS,
        keep_viewed_seconds=settings.cache.keep_viewed_seconds,
    )
