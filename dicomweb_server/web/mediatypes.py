"""A Content-Type as senders write it: values quoted or bare, even where bare is no legal token (C-27)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dicomweb_server.model.errors import BadRequest

_PARAMETER = re.compile(r'\s*;\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*')
_MEMBER = re.compile(r'(?:[^,"]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
"""Possessive, and a quote that is not closed reaches to the end: so every character is looked at once."""
_TYPE = re.compile(r"\s*([A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+)\s*")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? {}%!#$&*^`|~@-]{1,200}")


@dataclass(frozen=True, slots=True)
class ContentType:
    kind: str
    """In lower case: ``multipart/related``."""
    parameters: dict[str, str]
    """Names in lower case."""

    @property
    def root(self) -> str:
        """The type of a multipart body's parts, in lower case without its own parameters; empty when not given."""
        return self.parameters.get("type", "").partition(";")[0].strip().lower()

    @property
    def boundary(self) -> str:
        """Raises BadRequest when there is none that could be one."""
        boundary = self.parameters.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary) or boundary.endswith(" "):
            raise BadRequest("multipart without a usable boundary")
        return boundary


def members(text: str) -> Iterator[str]:
    """What stands between the commas of a header, where commas in quotes part nothing."""
    return (found[0] for found in _MEMBER.finditer(text))


def content_type(text: str) -> ContentType | None:
    """None for what is no media type. Trailing rubbish after the last parameter is passed over."""
    found = _TYPE.match(text)
    if found is None:
        return None
    parameters: dict[str, str] = {}
    place = found.end()
    while (parameter := _PARAMETER.match(text, place)) is not None:
        quoted = parameter[2]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
        parameters.setdefault(parameter[1].lower(), value)
        place = parameter.end()
    return ContentType(found[1].lower(), parameters)
