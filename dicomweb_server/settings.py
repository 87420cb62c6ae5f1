"""What an operator may set. Read once at start, frozen after.

Later wins: the defaults here, the file given with --config, the environment (DICOMWEB_SERVER_SECTION_NAME), flags.
An unknown key or a wrong value ends the start with a sentence that names it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

ENVIRONMENT = "DICOMWEB_SERVER_"


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
    log: Log = field(default_factory=Log)

    @property
    def data(self) -> Path:
        return Path(self.storage.data).absolute()

    @property
    def objects_url(self) -> str:
        return self.storage.objects or f"file://{self.data / 'objects'}"

    @property
    def viewer(self) -> Path:
        return Path(self.storage.viewer).absolute() if self.storage.viewer else self.data / "viewer"

    @property
    def catalog_url(self) -> str:
        return self.storage.catalog or f"sqlite:///{self.data / 'catalog.sqlite'}"


CHOICES: Mapping[str, tuple[str, ...]] = {
    "ingest.conflict": ("keep-first", "replace", "refuse"),
    "log.level": ("debug", "info", "warning", "error"),
    "log.format": ("auto", "text", "json"),
}

AT_LEAST_ONE = frozenset(
    {"http.workers", "http.max_connections", "http.max_parts", "http.max_results", "dimse.max_associations"}
    | {"work.threads", "work.attempts", "work.decoders"}
)

URLS: Mapping[str, tuple[str, ...]] = {
    "storage.objects": ("file:///",),
    "storage.catalog": ("sqlite:///", "postgresql://"),
    "http.public_url": ("http://", "https://"),
}
"""What the value of a URL setting may begin with."""

SHORT: Mapping[str, str] = {
    "DATA": "storage.data",
    "SERIES_QUIET_SECONDS": "ingest.series_quiet_seconds",
}
"""Environment names beside the full ones."""


@dataclass(frozen=True, slots=True)
class Given:
    """A setting, its value and where it came from."""

    key: str
    value: Any
    origin: str


def every_setting() -> Iterator[tuple[str, Any, Any]]:
    """Every setting: its key, its type and its default."""
    for section in fields(Settings):
        kind = get_type_hints(Settings)[section.name]
        types = get_type_hints(kind)
        defaults = kind()
        for each in fields(kind):
            yield f"{section.name}.{each.name}", types[each.name], getattr(defaults, each.name)


def load(
    *, file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Settings, list[Given]]:
    """Settings in force, and for each of them where its value came from. Raises SettingsError."""
    given = {key: Given(key, default, "default") for key, _, default in every_setting()}
    types = {key: kind for key, kind, _ in every_setting()}
    for each in (*_from_file(file), *_from_environment(os.environ if environment is None else environment)):
        given[each.key] = Given(each.key, _checked(each, types[each.key]), each.origin)
    for key, text in (flags or {}).items():
        if key not in types:
            raise SettingsError(f"flag: there is no setting {key!r}{_nearest(key, types)}")
        given[key] = Given(key, _checked(Given(key, text, "flag"), types[key]), "flag")
    return _assembled(given), list(given.values())


def _assembled(given: Mapping[str, Given]) -> Settings:
    settings = Settings()
    for section in fields(Settings):
        values = {
            key.partition(".")[2]: each.value for key, each in given.items() if key.startswith(section.name + ".")
        }
        settings = replace(settings, **{section.name: replace(getattr(settings, section.name), **values)})
    return settings


def _from_file(file: Path | None) -> Iterator[Given]:
    if file is None:
        return
    try:
        document = tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: not TOML: {error}") from None
    known = {key for key, _, _ in every_setting()}
    for section, values in document.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{file}: {section!r} stands outside of any table")
        for name, value in values.items():
            key = f"{section}.{name}"
            if key not in known:
                raise SettingsError(f"{file}: there is no setting {key!r}{_nearest(key, known)}")
            yield Given(key, value, str(file))


def _from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    known = {key.replace(".", "_").upper(): key for key, _, _ in every_setting()} | dict(SHORT)
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT):
            key = known.get(name.removeprefix(ENVIRONMENT))
            if key is None:
                raise SettingsError(f"environment: there is no setting {name!r}{_nearest(name, known)}")
            yield Given(key, value, f"environment {name}")


def _nearest(key: str, known: Iterable[str]) -> str:
    near = get_close_matches(key.removeprefix(ENVIRONMENT), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _checked(given: Given, kind: Any) -> Any:
    value = _typed(given, kind)
    choices = CHOICES.get(given.key)
    if choices and value not in choices:
        raise SettingsError(f"{given.origin}: {given.key} must be one of {', '.join(choices)}, not {value!r}")
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        raise SettingsError(f"{given.origin}: {given.key} must not be negative: {value!r}")
    if isinstance(value, int | float) and given.key in AT_LEAST_ONE and value < 1:
        raise SettingsError(f"{given.origin}: {given.key} must be at least 1: {value!r}")
    if given.key.endswith(".listen"):
        address(value, given)
    if given.key == "http.root" and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise SettingsError(f"{given.origin}: {given.key} must be a path such as /dicomweb: {value!r}")
    if given.key in URLS and value and not value.startswith(URLS[given.key]):
        raise SettingsError(f"{given.origin}: {given.key} must begin with {' or '.join(URLS[given.key])}: {value!r}")
    if given.key == "dimse.aet" and not 1 <= len(value.strip()) <= 16:
        raise SettingsError(f"{given.origin}: {given.key} must have 1 to 16 characters: {value!r}")
    return value


def _typed(given: Given, kind: Any) -> Any:
    """The value as ``kind``; text is read where it came from the environment or a flag."""
    value = given.value
    text = isinstance(value, str)
    if kind is str and text:
        return value
    if kind is bool and (isinstance(value, bool) or (text and value.lower() in _TRUTH)):
        return _TRUTH[value.lower()] if text else value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            return kind(value) if text or isinstance(value, kind | int) else _wrong(given, kind)
        except ValueError:
            _wrong(given, kind)
    if kind == tuple[str, ...]:
        if text:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
    return _wrong(given, kind)


_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _wrong(given: Given, kind: Any) -> Any:
    raise SettingsError(f"{given.origin}: {given.key} must be {_WORDS.get(kind, 'a list of texts')}: {given.value!r}")


def address(text: str, given: Given | None = None) -> tuple[str, int]:
    """HOST:PORT in its parts. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        where = f"{given.origin}: {given.key} " if given else ""
        raise SettingsError(f"{where}must be HOST:PORT: {text!r}")
    return host.strip("[]"), int(port)
