"""What the HTTP door needs from the rooms below; assembly fills it, handlers read it from the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.objects.base import ObjectStore
from dicomweb_server.pool.base import Pool
from dicomweb_server.queues.base import Queue
from dicomweb_server.retrieve.bulkdata import Bulkdata
from dicomweb_server.retrieve.frames import Frames
from dicomweb_server.retrieve.metadata import Metadata
from dicomweb_server.retrieve.rendered import Rendered
from dicomweb_server.retrieve.search import Search
from dicomweb_server.retrieve.shelf import Shelf
from dicomweb_server.retrieve.thumbnails import Thumbnails
from dicomweb_server.retrieve.transcoded import TranscodedForms
from dicomweb_server.signals.base import Signals
from dicomweb_server.web.ports import Deleting, Receiving


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    catalog: Catalog
    receive: Receiving
    pool: Pool
    objects: ObjectStore
    shelf: Shelf
    queue: Queue | None = None
    signals: Signals | None = None
    frames: Frames
    metadata: Metadata
    bulkdata: Bulkdata
    search: Search
    rendered: Rendered
    thumbnails: Thumbnails
    transcoded: TranscodedForms
    deletion: Deleting | None = None
    strict_accept: bool = False
    """406 for a request without Accept, by the letter (C-20)."""
    rendered_representative: bool = False
    """One image for a study or series where no multipart is accepted, in place of 406 (R-01)."""
    wado_uri_as_stored: bool = False
    """What WADO-URI gives of application/dicom without transferSyntax: the stored file, or Explicit VR (U-03)."""


def services_of(request: Request) -> Services:
    return cast(Services, request.scope["app"].state.services)
