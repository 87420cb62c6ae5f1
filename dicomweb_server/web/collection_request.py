"""What a program may ask of a collection, read and checked before anything is written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request

from dicomweb_server.model.collections import Action
from dicomweb_server.model.errors import BadRequest, TooLarge
from dicomweb_server.model.ids import uid
from dicomweb_server.model.manifest import Manifest, check_location, manifest_of
from dicomweb_server.web.links import LONGEST_SECONDS
from dicomweb_server.web.operating import check_json

SELECTORS = ("patient", "studies", "collection", "manifest", "manifest_url")
KNOWN = frozenset({*SELECTORS, "action", "notify", "link_seconds"})
MOST_STUDIES = 10_000


def _no_manifest(document: object) -> Manifest:
    return manifest_of(document, hosts=())


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionRules:
    """What this site lets programs ask for."""

    hosts: Collection[str] = ()
    """Where manifests may lie, and the content they name."""
    manifest: Callable[[object], Manifest] = _no_manifest
    """Reads a manifest. Raises BadRequest, TooLarge."""
    largest: int = 1 << 20
    """Bytes of a request."""
    webhook_hosts: Collection[str] = ()
    mail_domains: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    action: Action
    request: Mapping[str, Any]
    """To be written down."""
    document: bytes = b""
    """The manifest, where one was sent."""
    collection: str = ""
    """Id of the collection whose studies are meant."""
    link_seconds: int | None = field(default=None)


async def asked(request: Request, rules: CollectionRules) -> Asked:
    """Raises BadRequest naming what is wrong, TooLarge, UnsupportedMedia."""
    document = await _read(request, rules.largest)
    unknown = sorted(set(document) - KNOWN)
    if unknown:
        raise BadRequest(f"{unknown[0][:80]!r} is nothing that can be asked; {', '.join(sorted(KNOWN))} are")
    given = [name for name in SELECTORS if name in document]
    if len(given) != 1:
        raise BadRequest(f"exactly one of {', '.join(SELECTORS)} says what the collection is")
    selector = given[0]
    action = document.get("action", Action.STORE)
    if action not in set(Action):
        raise BadRequest(f"action is one of {', '.join(Action)}")
    kept: dict[str, Any] = {}
    manifest = b""
    match selector:
        case "patient":
            kept["patient"] = _patient(document["patient"])
        case "studies":
            kept["studies"] = _studies(document["studies"])
        case "manifest":
            rules.manifest(document["manifest"])
            kept["manifest"], manifest = True, orjson.dumps(document["manifest"])
        case "manifest_url":
            kept["manifest_url"] = _text(document, "manifest_url")
            check_location(kept["manifest_url"], rules.hosts)
    if document.get("notify") is not None:
        kept["notify"] = _notify(document["notify"], rules)
    return Asked(
        action=Action(action),
        request=kept,
        document=manifest,
        collection=_text(document, "collection") if selector == "collection" else "",
        link_seconds=seconds(document.get("link_seconds")),
    )


def seconds(value: object) -> int | None:
    """For how long a link shall be good. Raises BadRequest."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LONGEST_SECONDS:
        raise BadRequest(f"a link is good for 1 to {LONGEST_SECONDS} seconds")
    return value


async def _read(request: Request, largest: int) -> dict[str, Any]:
    check_json(request)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > largest:
            raise TooLarge(f"the body may have {largest} bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest("the body must be a JSON object")
    return document


def _patient(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not set(value) <= {"id", "issuer"}:
        raise BadRequest("patient is an object with id and, where needed, issuer")
    found = {name: _text(value, name) for name in value}
    if not found.get("id"):
        raise BadRequest("patient has no id")
    if any(character in text for text in found.values() for character in "*?\\"):
        raise BadRequest("patient is named whole, without * and ?")
    return found


def _studies(value: object) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_STUDIES:
        raise BadRequest(f"studies is a list of 1 to {MOST_STUDIES} Study Instance UIDs")
    return [uid(each if isinstance(each, str) else "", "Study Instance UID") for each in value]


def _notify(value: object, rules: CollectionRules) -> dict[str, Any]:
    if (
        not isinstance(value, dict)
        or not set(value) <= {"webhook", "mail", "on"}
        or not set(value) & {"webhook", "mail"}
    ):
        raise BadRequest("notify is an object with webhook or mail, and on")
    on = value.get("on", ["ready", "failed"])
    if not isinstance(on, list) or not on or not set(map(str, on)) <= {"ready", "failed"}:
        raise BadRequest("notify.on is a list of ready and failed")
    found: dict[str, Any] = {"on": on}
    if "webhook" in value:
        found["webhook"] = _text(value, "webhook")
        host = _host(found["webhook"])
        if host is None or host not in rules.webhook_hosts:
            raise BadRequest("notify.webhook must be an http or https URL of an allowed host")
    if "mail" in value:
        found["mail"] = _text(value, "mail")
        name, _, domain = found["mail"].rpartition("@")
        if not name or not name.isprintable() or set(" ,;<>") & set(name) or domain.lower() not in rules.mail_domains:
            raise BadRequest("notify.mail must be an address of an allowed domain")
    return found


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in ("http", "https") and not parts.username else None


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str) or len(value) > 2000:
        raise BadRequest(f"{name} is a text")
    return value
