"""Settings of the cache and of the sources it is filled from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What sources hold and viewers ask for before it is here."""

    fetch_wait_seconds: float = 20.0
    """How long a request waits for one instance on its way; then 503 with Retry-After."""
    series_wait_seconds: float = 60.0
    """How long metadata of a series waits for its instances, where the source cannot describe them."""
    fetchers: int = 3
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
class Collections:
    """Collections that programs ask for, by the operations API or by submission of a manifest."""

    keep_hours: float = 24.0
    """For so long after its end a collection can be asked about."""
    link_seconds: int = 3600
    """How long a signed link is good where nothing else was asked for; a day at most."""
    link_key_env: str = ""
    """Environment variable that holds the secret by which links are signed. Empty: made once, in the data folder."""
    hosts: tuple[str, ...] = ()
    """Hosts from which a manifest may name content. Empty: no manifests are taken."""
    private_hosts: bool = False
    """Whether these hosts may have loopback and private addresses."""
    headers_env: tuple[str, ...] = ()
    """Headers for them, each as NAME=VARIABLE: the environment variable holds the value."""
    issuer: str = ""
    """Issuer of PatientID given to what comes by manifests without one."""
    max_manifest_bytes: int = 64 << 20
    """Bytes of one manifest."""
    submissions: str = ""
    """Folder that is watched for manifests. Empty: ``submissions`` in the data folder, where hosts are named."""
    submissions_seconds: float = 1.0
    """How often that folder is looked at."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts that may be told of the end of a collection by whoever asks for it. Empty: none."""
    mail_domains: tuple[str, ...] = ()
    """Domains of mail addresses that may be. Empty: none."""


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
    headers_env: tuple[str, ...] = ()
    """Further headers, each as NAME=VARIABLE: the environment variable holds the value."""
    host: str = ""
    port: int = 104
    called_aet: str = "ANY-SCP"
    calling_aet: str = ""
    """Empty: dimse.aet."""
    retrieve: str = "get"
    """get or move: how a PACS is asked."""
    move_to: str = ""
    """The AE title under which the PACS knows this server. Empty: dimse.aet."""
    model: str = "study"
    """study or patient: the root of the information model a PACS is asked by."""
    tls: bool = False
    """Speak TLS with a PACS. A DICOMweb service says it by https."""
    tls_ca: str = ""
    """PEM file of the authorities it is checked against. Empty: those of the system."""
    tls_cert: str = ""
    """PEM file of our certificate, for a source that asks for one."""
    tls_key: str = ""
    """PEM file of its key. Empty: in tls_cert."""
    search: str = "merge"
    """merge: asked with every search for studies; local: only when a study is opened."""
    issuer: str = ""
    """Issuer of PatientID given to what comes from it without one, so that two sites' patients stay apart."""
    deleted: str = "keep"
    """keep or remove: what becomes of what came from it and is no longer there, once the study is opened again."""
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
    newest: int = 0
    """Holds for series of the newest so many studies known of the patient. 0: any."""
