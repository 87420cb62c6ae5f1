"""What a URL says, turned into keys and values before anything else looks at it.

Lists are split on the raw comma, before percent-decoding (C-04); so the query string is read here and not by
Starlette, which decodes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from dicomweb_server.model.errors import BadRequest
from dicomweb_server.model.ids import InstanceKey, SeriesKey, StudyKey, uid

MAX_PARAMETERS = 1000
MAX_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One ``name=value`` of a query string; the value is still percent-encoded."""

    name: str
    raw: str

    @property
    def value(self) -> str:
        """Raises BadRequest when the percent-decoded bytes are no UTF-8."""
        return decoded(self.raw)

    @property
    def text(self) -> str:
        """The value with ``+`` read as a space, as browsers' forms mean it (C-05)."""
        return decoded(self.raw.replace("+", " "))


def decoded(raw: str) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("a query value is not UTF-8") from None
    if "\0" in text:
        raise BadRequest("a query value contains a NUL")
    return text


def parameters(request: Request) -> tuple[Parameter, ...]:
    """Every parameter of the query string in order; empty ones are passed over. Raises BadRequest."""
    return parameters_of(request.scope.get("query_string", b""))


@lru_cache(maxsize=256)
def parameters_of(query: bytes) -> tuple[Parameter, ...]:
    """The same of a query string by itself."""
    fields = [field for field in query.decode("latin-1").split("&") if field]
    if len(fields) > MAX_PARAMETERS:
        raise BadRequest(f"more than {MAX_PARAMETERS} query parameters")
    pairs = (field.partition("=") for field in fields)
    return tuple(Parameter(decoded(name), raw) for name, _, raw in pairs)


def single(request: Request, name: str) -> Parameter | None:
    """The one parameter called ``name``, or None. Raises BadRequest when it is repeated."""
    return single_of(parameters(request), name)


def single_of(given: Sequence[Parameter], name: str) -> Parameter | None:
    """The same of parameters that were read before."""
    found = [parameter for parameter in given if parameter.name == name]
    if len(found) > 1:
        raise BadRequest(f"{name} is given {len(found)} times")
    return found[0] if found else None


def study_key(request: Request) -> StudyKey:
    path: Mapping[str, str] = request.path_params
    return StudyKey(uid(path["study"], "Study Instance UID"))


def series_key(request: Request) -> SeriesKey:
    path: Mapping[str, str] = request.path_params
    return SeriesKey(uid(path["study"], "Study Instance UID"), uid(path["series"], "Series Instance UID"))


def instance_key(request: Request) -> InstanceKey:
    path: Mapping[str, str] = request.path_params
    return InstanceKey(
        uid(path["study"], "Study Instance UID"),
        uid(path["series"], "Series Instance UID"),
        uid(path["instance"], "SOP Instance UID"),
    )


def scope_key(request: Request) -> StudyKey | SeriesKey | InstanceKey:
    """The study, series or instance that the path names, whichever is the deepest."""
    if "instance" in request.path_params:
        return instance_key(request)
    return series_key(request) if "series" in request.path_params else study_key(request)


def frame_numbers(request: Request) -> list[int]:
    """The frames asked for, from 1, in the order asked for (W-30). Raises BadRequest."""
    text: str = request.path_params["frames"]
    if text.isascii() and text.isdigit() and len(text) <= 9 and text.strip("0"):
        return [int(text)]
    members = text.split(",")
    if len(members) > MAX_FRAMES or not all(member.isascii() and member.isdigit() for member in members):
        raise BadRequest(f"not a frame list: {text[:80]!r}")
    if any(len(member) > 9 for member in members):
        raise BadRequest("a frame number is too large")
    numbers = [int(member) for member in members]
    if 0 in numbers:
        raise BadRequest("frames are counted from 1")
    return numbers


def boolean(parameter: Parameter) -> bool:
    """Raises BadRequest unless it says exactly ``true`` or ``false``."""
    try:
        return {"true": True, "false": False}[parameter.value]
    except KeyError:
        raise BadRequest(f"{parameter.name} is true or false") from None


def unsigned(parameter: Parameter) -> int:
    """Raises BadRequest unless it is a row of digits. What exceeds 63 bits comes back as their largest number."""
    value = parameter.value
    if not (value.isascii() and value.isdigit()):
        raise BadRequest(f"{parameter.name} is an unsigned integer")
    return min(int(value[:25]), 2**63 - 1)
