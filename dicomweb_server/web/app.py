"""The HTTP door: one table of routes, and what stands around it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from dicomweb_server.web import (
    api,
    bulk,
    capabilities,
    deleting,
    instances,
    links,
    monitoring,
    operations,
    page,
    problems,
    qido,
    rendered,
    stow,
    thumbnails,
    viewer,
    wado,
    wado_uri,
)
from dicomweb_server.web.address import AddressRules
from dicomweb_server.web.auth import Authentication
from dicomweb_server.web.collection_request import CollectionRules
from dicomweb_server.web.cors import Cors, CorsRules
from dicomweb_server.web.envelope import Envelope
from dicomweb_server.web.keyring import Keyring
from dicomweb_server.web.links import Links
from dicomweb_server.web.paths import NoTrailingSlash
from dicomweb_server.web.resource import Resource
from dicomweb_server.web.search_request import SearchRules
from dicomweb_server.web.services import Services
from dicomweb_server.web.upload import UploadLimits

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """What an operator may set of the HTTP door."""

    address: AddressRules = field(default_factory=AddressRules)
    cors: CorsRules = field(default_factory=CorsRules)
    search: SearchRules = field(default_factory=SearchRules)
    allow_delete: bool = False
    """Whether DELETE of studies, series and instances works (E-01)."""
    uploads: UploadLimits = field(default_factory=UploadLimits)
    collections: CollectionRules = field(default_factory=CollectionRules)
    links: Links = field(default_factory=lambda: Links(secrets.token_bytes(32)))
    keys: Keyring | None = None
    """Whoever asks has to have one of them; everybody may where there are none."""
    viewer: Path | None = None
    """Folder of an installed viewer (the ``dist`` of OHIF)."""


class _Application(Starlette):
    """Without the two layers Starlette puts around its own: ``Envelope`` answers every error, and layers cost time."""

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router
        for layer in reversed(self.user_middleware):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app


def make_app(services: Services, *, options: WebOptions | None = None) -> Starlette:
    options = options or WebOptions()
    app = _Application(
        routes=[*dicomweb(options), *around()],
        middleware=[
            Middleware(Cors, rules=options.cors),
            Middleware(Envelope, rules=options.address),
            *([Middleware(Authentication, keys=options.keys)] if options.keys is not None else []),
            Middleware(NoTrailingSlash, root=options.address.root),
        ],
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.address_rules = options.address
    app.state.search_rules = options.search
    app.state.upload_limits = options.uploads
    app.state.viewer = options.viewer
    app.state.collection_rules = options.collections
    app.state.links = options.links
    return app


def dicomweb(options: WebOptions) -> list[BaseRoute]:
    """The DICOMweb service. Frames and metadata stand first: every route passed over costs time (design 6.2)."""
    delete = deleting.remove if options.allow_delete else deleting.switched_off
    table = {
        INSTANCE + "/frames/{frames}": Resource(GET=wado.frames),
        SERIES + "/metadata": Resource(GET=wado.metadata),
        INSTANCE + "/metadata": Resource(GET=wado.metadata),
        STUDY + "/metadata": Resource(GET=wado.metadata),
        INSTANCE + "/bulkdata/{path:path}": Resource(GET=wado.bulkdata),
        INSTANCE: Resource(GET=instances.retrieve, DELETE=delete),
        INSTANCE + "/frames/{frames}/rendered": Resource(GET=rendered.frames),
        INSTANCE + "/frames/{frames}/thumbnail": Resource(GET=thumbnails.frames),
        INSTANCE + "/rendered": Resource(GET=rendered.retrieve),
        INSTANCE + "/thumbnail": Resource(GET=thumbnails.retrieve),
        SERIES + "/thumbnail": Resource(GET=thumbnails.retrieve),
        STUDY + "/thumbnail": Resource(GET=thumbnails.retrieve),
        SERIES + "/rendered": Resource(GET=rendered.retrieve),
        STUDY + "/rendered": Resource(GET=rendered.retrieve),
        "/studies": Resource(GET=qido.studies, POST=stow.store),
        STUDY + "/series": Resource(GET=qido.series_of_study),
        SERIES + "/instances": Resource(GET=qido.instances_of_series),
        STUDY + "/instances": Resource(GET=qido.instances_of_study),
        "/series": Resource(GET=qido.series),
        "/instances": Resource(GET=qido.instances),
        SERIES: Resource(GET=instances.retrieve, DELETE=delete),
        STUDY: Resource(GET=instances.retrieve, POST=stow.store, DELETE=delete),
        INSTANCE + "/bulkdata": Resource(GET=bulk.bulkdata),
        SERIES + "/bulkdata": Resource(GET=bulk.bulkdata),
        STUDY + "/bulkdata": Resource(GET=bulk.bulkdata),
        INSTANCE + "/pixeldata": Resource(GET=bulk.pixeldata),
        SERIES + "/pixeldata": Resource(GET=bulk.pixeldata),
        STUDY + "/pixeldata": Resource(GET=bulk.pixeldata),
        "/wado": Resource(GET=wado_uri.retrieve),
        "": Resource(GET=wado_uri.retrieve, OPTIONS=capabilities.answer),
        "/capabilities": Resource(GET=capabilities.answer),
    }
    return [Route(options.address.root + path, resource) for path, resource in table.items()]


def around() -> list[BaseRoute]:
    """What is not DICOMweb. The viewer's files are looked for last."""
    nothing = problems.nothing
    table = {
        "/": Resource(GET=page.index),
        "/page/{name}": Resource(GET=page.part),
        "/healthz": Resource(GET=operations.alive),
        "/readyz": Resource(GET=operations.ready),
        "/metrics": Resource(GET=monitoring.figures),
        **{path: Resource(**methods) for path, methods in api.table().items()},
        links.PREFIX + "/{expires}/{signature}/{path:path}": Resource(GET=links.follow),
        viewer.BASE: Resource(GET=viewer.application),
        viewer.BASE + "/{path:path}": Resource(GET=viewer.application),
        "/{path:path}": Resource(GET=viewer.asset, POST=nothing, PUT=nothing, DELETE=nothing),
    }
    return [Route(path, resource) for path, resource in table.items()]
