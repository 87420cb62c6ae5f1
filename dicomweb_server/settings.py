"""What an operator may set, each with its default and meaning. Read once at start (``loading``), frozen after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_type_hints


class SettingsError(Exception):
    """A key or value that cannot be used; the text names it and where it came from."""


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
    zero_preamble: bool = True
    """Empty the 128 bytes before DICM, which can make a file pass for a program."""
    max_instance_bytes: int = 8 << 30
    """The longest instance taken, by any door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The background."""

    threads: int = 2
    """Tickets worked off side by side in the worker process."""
    attempts: int = 5
    """Tries before a ticket is given up and rests as a dead letter."""
    decoders: int = 2
    """Processes that decode pixels, at most, for each process that needs them. They start on first use."""
    decode_seconds: float = 30.0
    """A decoder that works on one image for longer is killed."""
    decode_memory_bytes: int = 2 << 30
    """Memory a decoder may take."""
    sweep_seconds: float = 300.0
    """How often lost work is looked for, and what crashes left behind is removed."""
    derived_bytes: int = 2 << 30
    """Bytes kept of what was transcoded or rendered for somebody; the longest unused go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What sources hold and viewers ask for before it is here."""

    fetch_wait_seconds: float = 20.0
    """How long a request waits for one instance on its way; then 503 with Retry-After."""
    series_wait_seconds: float = 60.0
    """How long metadata of a series waits for its instances, where the source cannot describe them."""
    fetchers: int = 2
    """Instances fetched side by side, each in a thread of the worker process."""
    max_bytes: int = 0
    """Bytes that may be held of what sources can send again; the series unviewed for longest leave. 0: no bound."""
    max_age_days: float = 0.0
    """Series that nobody viewed for so long leave, where a source can send them again. 0: none."""
    keep_viewed_seconds: float = 600.0
    """What was viewed within this stays, whatever the bounds."""
    evict_seconds: float = 60.0
    """How often the bounds are looked at."""
    refresh_seconds: float = 300.0
    """An opened study is compared with its source again after this: what is new there is announced. 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Where images come from when they are not here yet: one ``[[source]]`` table each, asked in their order."""

    name: str
    kind: str
    """dicomweb or pacs."""
    url: str = ""
    """Root of the DICOMweb service."""
    authorization_env: str = ""
    """Environment variable that holds the Authorization header."""
    host: str = ""
    port: int = 104
    called_aet: str = "ANY-SCP"
    calling_aet: str = ""
    """Empty: dimse.aet."""
    retrieve: str = "get"
    """get or move: how a PACS is asked."""
    move_to: str = ""
    """The AE title under which the PACS knows this server. Empty: dimse.aet."""
    search: str = "merge"
    """merge: asked with every search for studies; local: only when a study is opened."""
    search_seconds: float = 5.0
    """How long a search waits for it."""
    connections: int = 4
    """Connections or associations at once, in each process."""
    timeout_seconds: float = 30.0
    """Silence longer than this ends a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """What is loaded once a series of a study is looked at: one ``[[rule]]`` table each; the first that holds."""

    load: str
    """first (right behind what is looked at), normal, or asked (only when somebody asks for an image of it)."""
    modality: str = ""
    """Holds for series of this modality. Empty: any."""
    description: str = ""
    """Holds for series described so, with `*` and `?`, upper and lower case alike. Empty: any."""
    min_instances: int = 0
    """Holds for series of at least so many instances."""
    max_instances: int = 0
    """Holds for series of at most so many instances. 0: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Who is told when something needs a person, such as work that was given up. It always stands in the log."""

    webhook: str = ""
    """URL that gets each notice as JSON, by POST."""
    mail_to: tuple[str, ...] = ()
    """Addresses that get each notice by mail."""
    mail_from: str = ""
    """Address of the sender."""
    mail_server: str = "localhost:25"
    """HOST:PORT of the mail server."""
    mail_starttls: bool = False
    """Encrypt the connection to the mail server."""
    mail_user: str = ""
    """Log in to the mail server as; only with mail_starttls."""
    mail_password_env: str = ""
    """Environment variable that holds the password for it."""
    quiet_seconds: float = 300.0
    """A notice of the same kind is not sent again within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is written down."""

    level: str = "info"
    """debug, info, warning or error."""
    format: str = "auto"
    """text, json, or auto: text on a terminal, json otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    storage: Storage = field(default_factory=Storage)
    access: Access = field(default_factory=Access)
    http: Http = field(default_factory=Http)
    dimse: Dimse = field(default_factory=Dimse)
    ingest: Ingest = field(default_factory=Ingest)
    work: Work = field(default_factory=Work)
    cache: Cache = field(default_factory=Cache)
    notices: Notices = field(default_factory=Notices)
    log: Log = field(default_factory=Log)
    sources: tuple[SourceSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = ()

    @property
    def data(self) -> Path:
        return Path(self.storage.data).absolute()

    @property
    def objects_url(self) -> str:
        return self.storage.objects or (self.data / "objects").as_uri()

    @property
    def viewer(self) -> Path:
        return Path(self.storage.viewer).absolute() if self.storage.viewer else self.data / "viewer"

    @property
    def catalog_url(self) -> str:
        return self.storage.catalog or f"sqlite:///{self.data / 'catalog.sqlite'}"


def every_setting() -> Iterator[tuple[str, Any, Any]]:
    """Every setting: its key, its type and its default."""
    for section in fields(Settings):
        if section.name in ("sources", "rules"):
            continue
        kind = get_type_hints(Settings)[section.name]
        types = get_type_hints(kind)
        defaults = kind()
        for each in fields(kind):
            yield f"{section.name}.{each.name}", types[each.name], getattr(defaults, each.name)


def address(text: str) -> tuple[str, int]:
    """HOST:PORT in its parts. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"must be HOST:PORT: {text!r}")
    return host.strip("[]"), int(port)
