"""Settings from file, environment and flags, checked, and for each of them where it came from.

Later wins: the defaults, the file given with --config, the environment (DICOMWEB_SERVER_SECTION_NAME), flags.
An unknown key or a wrong value ends the start with a sentence that names it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_type_hints

from dicomweb_server.model.manifest import MANIFESTS
from dicomweb_server.model.rules import Load
from dicomweb_server.settings import RuleSettings, Settings, SettingsError, SourceSettings, address, every_setting

ENVIRONMENT = "DICOMWEB_SERVER_"

CHOICES: Mapping[str, tuple[str, ...]] = {
    "ingest.conflict": ("keep-first", "replace", "refuse"),
    "work.htj2k": ("off", "accepted", "preferred"),
    "log.level": ("debug", "info", "warning", "error"),
    "log.format": ("auto", "text", "json"),
}

AT_LEAST_ONE = frozenset(
    {"http.workers", "http.max_connections", "http.max_parts", "http.max_results", "dimse.max_associations"}
    | {"work.threads", "work.attempts", "work.decoders"}
)

SOURCE_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": ("dicomweb", "pacs"),
    "retrieve": ("get", "move"),
    "search": ("merge", "local"),
    "deleted": ("keep", "remove"),
    "model": ("study", "patient"),
}

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
    settings = replace(_assembled(given), sources=sources_of(file), rules=rules_of(file))
    return settings, list(given.values())


def _assembled(given: Mapping[str, Given]) -> Settings:
    settings = Settings()
    for section in fields(Settings):
        if section.name in ("sources", "rules"):
            continue
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
        if section in ("source", "rule"):
            continue
        if not isinstance(values, dict):
            raise SettingsError(f"{file}: {section!r} stands outside of any table")
        for name, value in values.items():
            key = f"{section}.{name}"
            if key not in known:
                raise SettingsError(f"{file}: there is no setting {key!r}{_nearest(key, known)}")
            yield Given(key, value, str(file))


def sources_of(file: Path | None) -> tuple[SourceSettings, ...]:
    """The ``[[source]]`` tables, in their order: the order in which they are asked. Raises SettingsError."""
    found = tuple(_source(str(file), number, table) for number, table in enumerate(_tables(file, "source"), 1))
    if len({source.name for source in found}) != len(found):
        raise SettingsError(f"{file}: two sources have the same name")
    if any(source.name == MANIFESTS for source in found):
        raise SettingsError(f"{file}: the name {MANIFESTS!r} stands for what manifests name")
    return found


def rules_of(file: Path | None) -> tuple[RuleSettings, ...]:
    """The ``[[rule]]`` tables, in their order. Raises SettingsError."""
    found = []
    for number, table in enumerate(_tables(file, "rule"), 1):
        values = _values(RuleSettings, str(file), "rule", number, table)
        if values.get("load") not in set(Load):
            raise SettingsError(f"{file}: rule {number}: load must be one of {', '.join(Load)}")
        found.append(RuleSettings(**values))
    return tuple(found)


def _tables(file: Path | None, name: str) -> list[dict[str, Any]]:
    tables = tomllib.loads(file.read_text()).get(name, []) if file is not None else []
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{file}: {name}s are written as [[{name}]] tables")
    return tables


def _values(kind: type, file: str, what: str, number: int, table: Mapping[str, Any]) -> dict[str, Any]:
    types = get_type_hints(kind)
    values = {}
    for name, value in table.items():
        if name not in types:
            raise SettingsError(f"{file}: {what} {number}: there is no setting {name!r}{_nearest(name, types)}")
        values[name] = _typed(Given(f"{what}.{name}", value, file), types[name])
    return values


def _source(file: str, number: int, table: Mapping[str, Any]) -> SourceSettings:
    values = _values(SourceSettings, file, "source", number, table)
    for name in ("name", "kind", {"dicomweb": "url", "pacs": "host"}.get(values.get("kind", ""), "kind")):
        if not values.get(name):
            raise SettingsError(f"{file}: source {number}: {name} is missing")
    for name, choices in SOURCE_CHOICES.items():
        if name in values and values[name] not in choices:
            raise SettingsError(f"{file}: source {number}: {name} must be one of {', '.join(choices)}")
    return SourceSettings(**values)


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
        try:
            address(value)
        except SettingsError as error:
            raise SettingsError(f"{given.origin}: {given.key} {error}") from None
    if given.key == "http.root" and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise SettingsError(f"{given.origin}: {given.key} must be a path such as /dicomweb: {value!r}")
    if given.key in ("http.trusted_proxies", "dimse.calling_aets"):
        _check_networks(given, value)
    if given.key in URLS and value and not value.startswith(URLS[given.key]):
        raise SettingsError(f"{given.origin}: {given.key} must begin with {' or '.join(URLS[given.key])}: {value!r}")
    if given.key == "dimse.aet" and not 1 <= len(value.strip()) <= 16:
        raise SettingsError(f"{given.origin}: {given.key} must have 1 to 16 characters: {value!r}")
    return value


def _check_networks(given: Given, entries: tuple[str, ...]) -> None:
    for entry in entries:
        at, network = "@" in entry, entry.rpartition("@")[2]
        if given.key == "dimse.calling_aets" and not at:
            continue
        try:
            ip_network(network.strip(), strict=False)
        except ValueError:
            raise SettingsError(f"{given.origin}: {given.key}: not an address or network: {network!r}") from None


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
