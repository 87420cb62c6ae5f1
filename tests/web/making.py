"""A small server over what a test hands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httpx

from dicomweb_server.catalog.base import Catalog
from dicomweb_server.model.query import Page, Query
from dicomweb_server.web.app import WebOptions, make_app
from dicomweb_server.web.services import Services

BASE_URL = "http://testserver"


@dataclass
class RecordingSearch:
    """Answers every query with the same page and keeps what it was asked."""

    page: Page = field(default_factory=lambda: Page((), 0))
    asked: list[Query] = field(default_factory=list)

    def find(self, query: Query) -> Page:
        self.asked.append(query)
        return self.page


@dataclass
class SearchOnly:
    """A catalog of which only the search is there."""

    search: RecordingSearch


def searching(matches: Sequence[bytes] = (), *, remaining: int = 0) -> RecordingSearch:
    return RecordingSearch(Page(tuple(matches), remaining))


def client(search: RecordingSearch | None = None, *, options: WebOptions | None = None) -> httpx.AsyncClient:
    services = Services(catalog=cast(Catalog, SearchOnly(search or searching())))
    transport = httpx.ASGITransport(app=make_app(services, options=options))
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL)
