"""What needs the pixels of a stored instance: its picture. Then it is ready.

An instance whose pixels cannot be decoded is ready too, with its icon: it can be searched and retrieved, and the reason
stands in its row. Only what breaks the decoder process itself becomes a dead letter: at once, or after its tries where
somebody else may have ended the process.

Whatever happens to the instance meanwhile, rows are moved by the version that was drawn, and what was made of one that
has left goes with it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.dicom.syntaxes import syntax_of
from dicomweb_server.model.errors import BackendFailed, DicomwebError
from dicomweb_server.model.ids import InstanceKey, Scope
from dicomweb_server.model.messages import Ticket
from dicomweb_server.model.records import Version
from dicomweb_server.model.results import DONE, Failed, Result
from dicomweb_server.objects import layout
from dicomweb_server.objects.base import ObjectStore, Staged
from dicomweb_server.pool.base import Pool
from dicomweb_server.preprocess.drawing import draw_all, write_htj2k

log = logging.getLogger(__name__)

TOGETHER = 16
"""Instances drawn in one call of the pool."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    objects: ObjectStore
    catalog: Catalog
    pool: Pool
    htj2k: bool = False
    """Whether uncompressed images are kept in HTJ2K too."""

    def __call__(self, tickets: Sequence[Ticket]) -> list[Result]:
        current = self.catalog.holdings.current([t.key for t in tickets if isinstance(t.key, InstanceKey)])
        todo = list(current.values())
        results: dict[Scope, Result] = {}
        for start in range(0, len(todo), TOGETHER):
            results.update(self._some(todo[start : start + TOGETHER]))
        return [results.get(ticket.key, DONE) for ticket in tickets]

    def _some(self, versions: Sequence[Version]) -> dict[Scope, Result]:
        files = [(version, path) for version in versions if (path := self.objects.local(version.object_key))]
        try:
            pictures = self.pool.run_blocking(draw_all, [path for _, path in files])
        except BackendFailed as error:
            if len(versions) == 1:
                return {versions[0].key: Failed(error)}
            # One of them broke the process: alone, the others pass.
            return {key: result for version in versions for key, result in self._some([version]).items()}
        for (version, _), picture in zip(files, pictures, strict=True):
            self._keep(version, picture.jpeg)
        if self.htj2k:
            for version, path in files:
                self._keep_htj2k(version, path)
        reasons = {
            version.key: picture.reason for (version, _), picture in zip(files, pictures, strict=True) if picture.reason
        }
        for key, reason in reasons.items():
            log.warning("no thumbnail of instance %s: %s", key.instance, reason)
        current = self.catalog.progress.drawn(versions, reasons)
        self._forget([version for version, still in zip(versions, current, strict=True) if not still])
        return {version.key: DONE for version in versions}

    def _forget(self, left: Sequence[Version]) -> None:
        """Replaced, deleted or evicted while it was drawn: nobody removes what was made of it afterwards but us."""
        made = [layout.thumbnail(each.key, each.version) for each in left]
        self.objects.delete([*made, *(layout.htj2k(each.key, each.version) for each in left)])

    def _keep_htj2k(self, version: Version, path: str) -> None:
        """Nobody needs it: where it cannot be made, the stored form is all there is."""
        if version.frames is None or syntax_of(version.transfer_syntax).encapsulated:
            return
        draft = self.objects.staging() / f"{secrets.token_hex(16)}.htj2k"
        try:
            reason = self.pool.run_blocking(write_htj2k, path, str(draft))
            if reason is None:
                self.objects.adopt([Staged(draft, layout.htj2k(version.key, version.version))])
        except BackendFailed as error:
            reason = str(error)
        finally:
            draft.unlink(missing_ok=True)
        if reason is not None:
            log.info("no HTJ2K form of instance %s: %s", version.key.instance, reason)

    def _keep(self, version: Version, jpeg: bytes | None) -> None:
        """Where it cannot be kept it is drawn when somebody asks."""
        if jpeg is None:
            return
        try:
            self.objects.replace(layout.thumbnail(version.key, version.version), jpeg, durable=False)
        except DicomwebError as error:
            log.warning("the thumbnail of instance %s was not kept: %s", version.key.instance, error)
