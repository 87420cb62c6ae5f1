"""Derive everything of a study anew from its stored files: the stage for ``Kind.REINDEX``.

The files are the truth. What was read from them once, perhaps by an older release, is read again and written over:
metadata, search attributes, frame indexes; thumbnails and documents follow by their own tickets. A file that cannot be
read any more keeps what was known of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomweb_server.catalog.base import Catalog, Reread
from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.source import FileSource
from dicomweb_server.model.errors import DicomwebError, NotFound
from dicomweb_server.model.ids import StudyKey
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Derived, Version
from dicomweb_server.model.results import DONE, Result
from dicomweb_server.objects.base import ObjectStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reindex:
    objects: ObjectStore
    catalog: Catalog

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        for each in tickets:
            if isinstance(each.key, StudyKey):
                self.study(each.key)
        return [DONE for _ in tickets]

    def study(self, key: StudyKey) -> int:
        """How many instances were derived anew."""
        found = self.read(key)
        self.catalog.mending.rederive(key, found)
        return len(found)

    def read(self, key: StudyKey) -> list[Reread]:
        """What can be read of a study; nothing when it is gone."""
        try:
            versions = self.catalog.holdings.versions(key)
        except NotFound:
            return []
        return [
            Reread(version.version, derived) for version in versions if (derived := self._derived(version)) is not None
        ]

    def _derived(self, version: Version) -> Derived | None:
        path = self.objects.local(version.object_key)
        if path is None:
            return None
        try:
            with FileSource(Path(path)) as source:
                return derive(source, tenant=version.key.tenant)
        except (DicomwebError, OSError) as error:
            log.warning("instance %s cannot be read again: %s", version.key.instance, type(error).__name__)
            return None
