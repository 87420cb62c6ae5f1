"""What a client accepts, and which form of an instance or frame fits it (PS3.18 8.7).

``Accepted.of`` reads the ``accept`` parameter and the Accept header; ``choose`` weighs what could be given against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb_server.dicom.syntaxes import EXPLICIT_LE, MEDIA_TYPES, OCTET_STREAM, TransferSyntax, syntax_of
from dicomweb_server.model.errors import BadRequest, NotAcceptable
from dicomweb_server.retrieve.transcoded import can_give
from dicomweb_server.web.mediatypes import ContentType, content_type, members

DICOM = "application/dicom"
MULTIPART = "multipart/related"
ZIP = "application/zip"

ALIASES = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/jhc": "image/jphc",
    "image/jll": "image/jpeg",
    "image/dicom+jpeg": "image/jpeg",
    "image/j2c": "image/jp2",
    "image/j2k": "image/jp2",
    "video/h265": "video/H265",
}
"""Other names clients use (C-39); the answer is labelled with the name that was asked for."""

LONGEST = 32 << 10
MOST_MEMBERS = 200
"""Of a header; what comes behind is passed over."""

_WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")


def _covers(pattern: str, kind: str) -> bool:
    return pattern in (kind, "*/*") or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


@dataclass(frozen=True, slots=True)
class Range:
    """One member of an Accept header."""

    kind: str
    """Of one part: ``application/octet-stream``, ``image/*``, ``*/*``; in lower case."""
    multipart: bool
    syntax: str | None = None
    """A transfer syntax UID, ``*``, or None when not named."""
    weight: float = 1.0
    bare: bool = False
    """``*/*`` as such, which takes one part as well as several."""
    but: frozenset[str] = frozenset()
    """Kinds a wildcard leaves to narrower members, which give them less weight or none (RFC 9110 12.5.1)."""

    def takes(self, kind: str) -> bool:
        kind = kind.lower()
        return _covers(self.own, kind) and not any(_covers(each, kind) for each in self.but)

    @property
    def own(self) -> str:
        """The kind by its proper name."""
        return ALIASES.get(self.kind, self.kind).lower()

    @property
    def wild(self) -> bool:
        return self.kind == "*/*"


_DICOM_ONLY = frozenset({DICOM, OCTET_STREAM, "image/jls", "image/dicom-rle", "image/jphc", "image/jpx", "image/jxl"})
_RENDERED_ONLY = frozenset({"image/png", "image/gif", "image/jph", "text/html", "text/rtf", "application/pdf"})
"""Those that are both, such as image/jpeg, are read by the resource (C-23)."""


@dataclass(frozen=True, eq=False)
class Accepted:
    """Every range, best first: by weight, then as listed (C-24). Equal only to itself, so that it is a cheap key."""

    ranges: tuple[Range, ...]

    @staticmethod
    def of(header: str | None, parameter: str | None = None, *, strict: bool = False) -> Accepted:
        """The parameter goes before the header (C-21). Without either: ``*/*``, or when ``strict`` 406 (C-20).

        Raises NotAcceptable in that case, and BadRequest for wildcards in the parameter, and when ``strict`` for types
        of DICOM and of rendered resources in one request (C-23).
        """
        if parameter:
            return _both(parameter[:LONGEST], (header or "")[:LONGEST], strict)
        if header is None or not header.strip():
            if strict:
                raise NotAcceptable("the request has no Accept header")
            header = "*/*"
        return _checked(header[:LONGEST]) if strict else _header(header[:LONGEST])


@lru_cache(maxsize=1024)
def _header(text: str) -> Accepted:
    found = tuple(dict.fromkeys(_ranges(text)))
    wanted = (_narrowed(each, found) for each in found if each.weight > 0)
    return Accepted(tuple(sorted(wanted, key=lambda each: -each.weight)))


def _narrowed(each: Range, all_of_them: tuple[Range, ...]) -> Range:
    """A wildcard without what narrower members say otherwise of (C-24, C-25)."""
    if "*" not in each.kind:
        return each
    less = (
        other.own
        for other in all_of_them
        if other.kind != each.kind
        and other.weight < each.weight
        and (other.multipart == each.multipart or not other.weight)
        and other.syntax in (None, "*", each.syntax)
        and (each.wild or (other.own.startswith(each.kind[:-1]) and not other.wild))
    )
    return replace(each, but=frozenset(less))


@lru_cache(maxsize=256)
def _both(parameter: str, header: str, strict: bool) -> Accepted:
    """What the parameter names, and where nothing of that can be given, what the header does (C-24)."""
    named = _header(parameter)
    if any("*" in each.kind for each in named.ranges):
        raise BadRequest("the accept parameter takes no wildcards")
    further = (_checked(header) if strict else _header(header)).ranges if header else ()
    return Accepted((*named.ranges, *(each for each in further if not each.wild)))


@lru_cache(maxsize=256)
def _checked(text: str) -> Accepted:
    accepted = _header(text)
    kinds = {each.kind.lower() for each in accepted.ranges}
    if kinds & _DICOM_ONLY and kinds & _RENDERED_ONLY:
        raise BadRequest("types of DICOM and of rendered resources are accepted together")
    return accepted


def _ranges(text: str) -> Iterator[Range]:
    """Malformed members are passed over (C-25)."""
    for number, member in enumerate(members(text)):
        if number >= MOST_MEMBERS:
            return
        parsed = content_type(member)
        if parsed is None:
            continue
        weight = parsed.parameters.get("q", "1")
        if _WEIGHT.fullmatch(weight):
            yield _range(parsed, float(weight))


def _range(parsed: ContentType, weight: float) -> Range:
    syntax = parsed.parameters.get("transfer-syntax")
    if parsed.kind not in (MULTIPART, "multipart/*"):
        return Range(parsed.kind, parsed.kind == "*/*", syntax, weight, bare=parsed.kind == "*/*")
    inner = content_type(parsed.parameters.get("type", "*/*"))
    if inner is None:
        return Range("*/*", True, syntax, weight)
    return Range(inner.kind, True, syntax or inner.parameters.get("transfer-syntax"), weight)


@dataclass(frozen=True, slots=True)
class Form:
    """A form in which pixels or an instance leave the server."""

    media_type: str
    syntax: str
    multipart: bool

    @property
    def label(self) -> str:
        """The Content-Type of a part of this form (C-37)."""
        return f"{self.media_type}; transfer-syntax={self.syntax}"


Can = Callable[[str], bool]
"""Whether the pixels can be given in a transfer syntax, by decoding or encoding if need be."""


def as_given(stored: TransferSyntax) -> str:
    """The syntax of stored pixels when they leave without being decoded: native ones are little endian then (C-31)."""
    return stored.uid if stored.encapsulated else EXPLICIT_LE


def for_pixels(accepted: Accepted, stored: TransferSyntax, can: Can, *, parts: int = 1) -> Form:
    """The best form for ``parts`` frames or bulk values. Raises NotAcceptable listing what there is."""
    for each in accepted.ranges:
        if not each.multipart and parts != 1:
            continue  # C-34
        found = _pixels(each, stored, can)
        if found is not None:
            kind, syntax = found
            return Form(_named(each, kind), syntax, each.multipart)
    raise NotAcceptable(
        f"the pixels are stored as {stored.uid} and cannot be given in any accepted form",
        available=pixels_available(stored, can),
    )


@lru_cache(maxsize=1024)
def pixels(accepted: Accepted, stored: str, *, parts: int = 1, refused: frozenset[str] = frozenset()) -> Form:
    """``for_pixels`` with all this server can make, remembered: a viewer asks in the same words thousands of times."""
    syntax = syntax_of(stored)
    return for_pixels(accepted, syntax, can_give(syntax, refused=refused), parts=parts)


def _pixels(each: Range, stored: TransferSyntax, can: Can) -> tuple[str, str] | None:
    """The media type and syntax a range leads to, if it can be given (T-21)."""
    as_is = as_given(stored)
    if each.takes(OCTET_STREAM):
        wanted = {None: EXPLICIT_LE, "*": as_is}.get(each.syntax, each.syntax)
        if wanted is not None and can(wanted):
            return OCTET_STREAM, wanted
        if each.syntax is None and stored.lossy and can(as_is):
            return OCTET_STREAM, as_is  # C-30: only lossy pixel data is available
    for kind, syntaxes in MEDIA_TYPES.items():
        if each.takes(kind) and not each.wild:  # */* means the default type and no other (C-26)
            found = _compressed(each, kind, syntaxes, as_is, can)
            if found is not None:
                return kind, found
    return None


def _compressed(each: Range, kind: str, syntaxes: tuple[str, ...], as_is: str, can: Can) -> str | None:
    if each.syntax in (None, "*"):
        if as_is in syntaxes:
            return as_is
        default = syntaxes[0]
        return default if "*" not in each.kind and can(default) else None
    return each.syntax if each.syntax in syntaxes and can(str(each.syntax)) else None


def for_instance(accepted: Accepted, stored: TransferSyntax, can: Can, *, parts: int = 1) -> Form | None:
    """The best application/dicom form of one instance, or None when it has none (C-30 to C-33, W-04)."""
    for each in accepted.ranges:
        if not each.takes(DICOM) or (not each.multipart and parts != 1):
            continue
        syntax = _data_set(each, stored, can)
        if syntax is not None:
            # A single instance asked for by */* comes as multipart, the default (table of 10.4.4).
            return Form(DICOM, syntax, each.multipart)
    return None


def _data_set(each: Range, stored: TransferSyntax, can: Can) -> str | None:
    as_is = stored.uid if stored.servable else EXPLICIT_LE
    if each.syntax == "*":
        return as_is
    wanted = each.syntax or EXPLICIT_LE
    if wanted == as_is:
        return as_is
    if syntax_of(wanted).servable and can(wanted):
        return wanted
    return as_is if each.syntax is None and stored.lossy else None


def pixels_available(stored: TransferSyntax, can: Can) -> tuple[str, ...]:
    """Media ranges that would be answered, for the body of a 406 (C-40)."""
    as_is = as_given(stored)
    found = [f'{MULTIPART}; type="{OCTET_STREAM}"; transfer-syntax={as_is}']
    if stored.encapsulated and stored.media_type != OCTET_STREAM:
        found.append(f'{MULTIPART}; type="{stored.media_type}"; transfer-syntax={as_is}')
    if as_is != EXPLICIT_LE and can(EXPLICIT_LE):
        found.append(f'{MULTIPART}; type="{OCTET_STREAM}"')
    return tuple(found)


def instance_available(stored: TransferSyntax, can: Can) -> tuple[str, ...]:
    as_is = stored.uid if stored.servable else EXPLICIT_LE
    found = [f'{MULTIPART}; type="{DICOM}"; transfer-syntax={as_is}']
    if as_is != EXPLICIT_LE and can(EXPLICIT_LE):
        found.append(f'{MULTIPART}; type="{DICOM}"')
    return tuple(found)


def wants(accepted: Accepted, *offered: str) -> tuple[str, Range] | None:
    """The first of ``offered`` that the best range takes, for resources of one form each."""
    for each in accepted.ranges:
        for kind in offered:
            if each.takes(kind):
                return kind, each
    return None


def _named(each: Range, kind: str) -> str:
    """By the name the client used, where that is an alias."""
    return each.kind if each.kind in ALIASES and ALIASES[each.kind].lower() == kind.lower() else kind
