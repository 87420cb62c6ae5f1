"""What the HTTP door needs from the rooms below; assembly fills it, handlers read it from the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.pool.base import Pool
from dicomweb_server.web.ports import Deleting, Receiving


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    catalog: Catalog
    receive: Receiving
    pool: Pool
    deletion: Deleting | None = None


def services_of(request: Request) -> Services:
    return cast(Services, request.app.state.services)
