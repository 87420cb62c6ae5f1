"""Settings of where data lies and of the doors it passes through."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where everything is kept. The data folder holds all of it unless a URL says otherwise."""

    data: str = "data"
    """The data folder: objects, catalog, viewer, sockets."""
    objects: str = ""
    """Where the bytes lie: file:///folder. Empty: the folder ``objects`` in the data folder."""
    catalog: str = ""
    """The catalog's database: sqlite:///file or postgresql://... Empty: ``catalog.sqlite`` in the data folder."""
    viewer: str = ""
    """Folder of the installed viewer. Empty: the folder ``viewer`` in the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who gets to the doors."""

    allow_remote: bool = False
    """Listen on other addresses than loopback although nobody has to log in."""
    keys: str = ""
    """File of the keys that the HTTP door asks for; ``dicomweb-server key make`` writes it. Empty: it asks for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """The DICOMweb door."""

    listen: str = "127.0.0.1:8080"
    """HOST:PORT to listen on."""
    workers: int = 1
    """How many web processes share the port."""
    root: str = "/dicomweb"
    """The path of the DICOMweb service."""
    public_url: str = ""
    """The address clients see in front of the root, such as https://images.example.org. Empty: from the request."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose Forwarded and X-Forwarded-* headers are believed."""
    cors_origins: tuple[str, ...] = ("loopback",)
    """Origins whose pages may call: https://viewer.example, ``loopback`` for pages of this machine, ``*`` for all."""
    allow_delete: bool = False
    """Whether DELETE removes studies, series and instances."""
    strict_accept: bool = False
    """Answer 406 to a request without Accept, by the letter of PS3.18 8.7.5, instead of taking it as */*."""
    rendered_representative: bool = False
    """Answer /rendered of a study or series with one image where no multipart is accepted, instead of 406."""
    wado_uri_as_stored: bool = False
    """Answer WADO-URI for application/dicom as stored where it names no transferSyntax, not in Explicit VR."""
    max_body_bytes: int = 64 << 30
    """The longest request body taken."""
    max_parts: int = 10_000
    """The most parts of one store request."""
    max_results: int = 1000
    """The most matches in one search answer."""
    max_connections: int = 2000
    """Connections open at once in each web process."""
    stop_seconds: float = 20.0
    """How long open requests may finish after SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is found quickly, beside the usual attributes."""

    strict: bool = False
    """Answer 400 to a search with parameters that would be ignored, instead of a Warning."""
    empty_list: bool = False
    """Answer 200 with an empty list where nothing matches, instead of 204, for clients that choke on that."""
    empty_matches_any: bool = False
    """A required attribute without a stored value matches whatever is asked of it, by the letter of PS3.4 C.2.2.1.2."""
    indexed: tuple[str, ...] = ()
    """Further attributes to index, by keyword or tag, with dots into sequences. Then restart, and run ``index``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimse:
    """The C-STORE door."""

    listen: str = "127.0.0.1:11112"
    """HOST:PORT to listen on."""
    aet: str = "DICOMWEB"
    """Our application entity title."""
    check_called: bool = False
    """Refuse associations that call another title than ours."""
    calling_aets: tuple[str, ...] = ()
    """Who may call: TITLE, or TITLE@ADDRESS where it must come from that address or network. Empty: anybody."""
    max_associations: int = 100
    """Associations at once."""
    max_associations_per_peer: int = 30
    """Associations at once from one address."""
    idle_seconds: float = 60.0
    """A silent association is aborted after this."""
    max_pdu_bytes: int = 131072
    """The longest PDU we take."""
    private_sop_classes: bool = False
    """Accept every SOP class outside the standard's root, such as vendors' own."""
    extra_sop_classes: tuple[str, ...] = ()
    """Further storage SOP classes to accept, by UID."""
    extra_transfer_syntaxes: tuple[str, ...] = ()
    """Further transfer syntaxes to accept, stored as they come."""

    @property
    def calling_titles(self) -> dict[str, list[str]] | None:
        """Titles that may call, each with the networks it may call from (none: any); None when anybody may."""
        titles: dict[str, list[str]] = {}
        for entry in self.calling_aets:
            title, _, network = entry.partition("@")
            networks = titles.setdefault(title.strip(), [])
            if network:
                networks.append(str(ip_network(network.strip(), strict=False)))
        return titles or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """How arrivals are treated."""

    conflict: str = "keep-first"
    """Other content under the same UIDs: keep-first, replace (as a new version) or refuse."""
    series_quiet_seconds: float = 5.0
    """A pushed series is at rest when nothing came for so long."""
    issuer: str = ""
    """Issuer of PatientID given to what is pushed without one, so that two sites' patients stay apart. Empty: none."""
    zero_preamble: bool = True
    """Empty the 128 bytes before DICM, which can make a file pass for a program."""
    max_instance_bytes: int = 8 << 30
    """The longest instance taken, by any door."""
