"""What the web and the dimse roles run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from dicomweb_server.assembly.backends import Backends, open_backends, open_pool
from dicomweb_server.assembly.keys import link_key
from dicomweb_server.assembly.receiving import open_receive
from dicomweb_server.assembly.upstream import open_sources
from dicomweb_server.settings import Settings, address
from dicomweb_server.sources.base import Source

if TYPE_CHECKING:
    import uvicorn

    from dicomweb_server.dimse.server import Server as DimseServer
    from dicomweb_server.retrieve.arrival import Arrival
    from dicomweb_server.web.app import WebOptions


@contextmanager
def open_web(settings: Settings) -> Iterator[uvicorn.Server]:
    """The HTTP door, to be run on a socket that somebody bound."""
    from dicomweb_server.ingest.deletion import Delete
    from dicomweb_server.retrieve.bulkdata import Bulkdata
    from dicomweb_server.retrieve.derived import Derived
    from dicomweb_server.retrieve.frames import Frames
    from dicomweb_server.retrieve.metadata import Metadata
    from dicomweb_server.retrieve.rendered import Rendered
    from dicomweb_server.retrieve.search import Search, Searched
    from dicomweb_server.retrieve.shelf import Shelf
    from dicomweb_server.retrieve.thumbnails import Thumbnails
    from dicomweb_server.retrieve.transcoded import TranscodedForms
    from dicomweb_server.retrieve.views import Views
    from dicomweb_server.web.app import make_app
    from dicomweb_server.web.protocol import Bounds
    from dicomweb_server.web.server import make_server
    from dicomweb_server.web.services import Services

    with (
        open_backends(settings) as backends,
        open_receive(settings, backends) as receive,
        open_pool(settings) as pool,
        open_sources(settings, backends) as sources,
    ):
        arrival = _arrival(settings, backends, sources) if sources else None
        views = Views(backends.catalog.caching) if sources else None
        shelf = Shelf(backends.catalog, backends.objects, arrival=arrival, views=views)
        asked = [
            Searched(sources[each.name], each.search_seconds) for each in settings.sources if each.search == "merge"
        ]
        derived = Derived(settings.data / "derived", settings.work.derived_bytes)
        rendered = Rendered(shelf, pool, derived)
        services = Services(
            catalog=backends.catalog,
            objects=backends.objects,
            receive=receive,
            pool=pool,
            shelf=shelf,
            queue=backends.queue,
            signals=backends.signals,
            frames=Frames(shelf),
            metadata=Metadata(shelf),
            bulkdata=Bulkdata(shelf),
            rendered=rendered,
            thumbnails=Thumbnails(rendered),
            transcoded=TranscodedForms(rendered, derived, settings.work.htj2k == "preferred"),
            rendered_representative=settings.http.rendered_representative,
            wado_uri_as_stored=settings.http.wado_uri_as_stored,
            strict_accept=settings.http.strict_accept,
            search=Search(backends.catalog, arrival, asked),
            deletion=Delete(backends.objects, backends.catalog.holdings, backends.signals),
        )
        yield make_server(
            make_app(services, options=_web_options(settings)),
            bounds=Bounds(max_connections=settings.http.max_connections),
            graceful_seconds=int(settings.http.stop_seconds),
        )


@contextmanager
def open_dimse(settings: Settings) -> Iterator[DimseServer]:
    """The DICOM port, not yet started."""
    from dicomweb_server.dimse.admission import TitleRules
    from dicomweb_server.dimse.association import Timing
    from dicomweb_server.dimse.contexts import ContextRules
    from dicomweb_server.dimse.server import Caps, Server

    wanted = settings.dimse
    host, port = address(wanted.listen)
    with open_backends(settings) as backends, open_receive(settings, backends) as receive:
        yield Server(
            receive,
            host=host,
            port=port,
            titles=TitleRules(
                wanted.aet.strip(), check_called=wanted.check_called, calling=settings.dimse.calling_titles
            ),
            contexts=ContextRules(
                extra_classes=wanted.extra_sop_classes,
                private_classes=wanted.private_sop_classes,
                extra_syntaxes=wanted.extra_transfer_syntaxes,
            ),
            timing=Timing(idle_seconds=wanted.idle_seconds),
            caps=Caps(associations=wanted.max_associations, per_peer=wanted.max_associations_per_peer),
            pdu_size=wanted.max_pdu_bytes,
            data_set_size=settings.ingest.max_instance_bytes,
        )


def _arrival(settings: Settings, backends: Backends, sources: Mapping[str, Source]) -> Arrival:
    from dicomweb_server.ingest.collect import Collect
    from dicomweb_server.ingest.deletion import Delete
    from dicomweb_server.ingest.following import Follow
    from dicomweb_server.model.rules import Load, LoadRule
    from dicomweb_server.retrieve.arrival import Arrival

    follow = Follow(
        backends.catalog.pulling,
        Delete(backends.objects, backends.catalog.holdings, backends.signals),
        frozenset(each.name for each in settings.sources if each.deleted == "remove"),
    )
    return Arrival(
        backends.catalog,
        backends.signals,
        sources,
        Collect(backends.catalog, list(sources.values()), follow=follow),
        wait_seconds=settings.cache.fetch_wait_seconds,
        series_wait_seconds=settings.cache.series_wait_seconds,
        refresh_seconds=settings.cache.refresh_seconds,
        rules=[
            LoadRule(
                Load(each.load), each.modality, each.description, each.min_instances, each.max_instances, each.newest
            )
            for each in settings.rules
        ],
    )


def _web_options(settings: Settings) -> WebOptions:
    from dicomweb_server.model.manifest import manifest_of
    from dicomweb_server.web.address import AddressRules
    from dicomweb_server.web.app import WebOptions
    from dicomweb_server.web.collection_request import CollectionRules
    from dicomweb_server.web.cors import CorsRules
    from dicomweb_server.web.keyring import Keyring
    from dicomweb_server.web.links import Links
    from dicomweb_server.web.search_request import SearchRules
    from dicomweb_server.web.upload import UploadLimits

    http = settings.http
    return WebOptions(
        address=AddressRules(
            root=http.root,
            public_base=http.public_url.rstrip("/") + http.root if http.public_url else None,
            trusted_proxies=tuple(ip_network(each, strict=False) for each in http.trusted_proxies),
        ),
        cors=CorsRules(origins=http.cors_origins),
        search=SearchRules(
            max_results=http.max_results,
            strict=settings.search.strict,
            empty_list=settings.search.empty_list,
            empty_matches_any=settings.search.empty_matches_any,
        ),
        allow_delete=http.allow_delete,
        uploads=UploadLimits(
            max_body=http.max_body_bytes, max_part=settings.ingest.max_instance_bytes, max_parts=http.max_parts
        ),
        viewer=settings.viewer,
        collections=CollectionRules(
            hosts=frozenset(settings.collections.hosts),
            manifest=lambda document: manifest_of(document, hosts=frozenset(settings.collections.hosts)),
            largest=settings.collections.max_manifest_bytes,
            webhook_hosts=frozenset(settings.collections.webhook_hosts),
            mail_domains=frozenset(each.lower() for each in settings.collections.mail_domains),
        ),
        keys=Keyring(Path(settings.access.keys)) if settings.access.keys else None,
        links=Links(link_key(settings), settings.collections.link_seconds),
    )
