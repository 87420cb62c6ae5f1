"""How a rendered image is asked for: parameters of the query, each checked by a rule of its own (PS3.18 8.3.5.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from starlette.requests import Request

from dicomweb_server.dicom.rendering.media import HOLD_PROFILE
from dicomweb_server.dicom.rendering.request import Annotation, Profile, Rendering, Viewport, Window, WindowFunction
from dicomweb_server.model.errors import BadRequest
from dicomweb_server.web import params
from dicomweb_server.web.params import Parameter

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_FUNCTIONS = {
    "linear": WindowFunction.LINEAR,
    "linear-exact": WindowFunction.LINEAR_EXACT,
    "sigmoid": WindowFunction.SIGMOID,
}


def rendering(request: Request, media_type: str) -> tuple[Rendering, tuple[str, ...]]:
    """What is to be drawn, and the annotations asked for that are not known (R-05). Raises BadRequest."""
    return _rendering(request.scope["query_string"], media_type)


@lru_cache(maxsize=256)
def _rendering(query: bytes, media_type: str) -> tuple[Rendering, tuple[str, ...]]:
    asked = params.parameters_of(query)
    given = {each.name: each for name in _RULES if (each := params.single_of(asked, name)) is not None}
    read = {name: rule(given[name]) for name, rule in _RULES.items() if name in given}
    annotations, unknown = read.get("annotation", (frozenset(), ()))
    profile = read.get("iccprofile", Profile.NO)
    if profile is not Profile.NO and media_type not in HOLD_PROFILE:
        raise BadRequest(f"{media_type} holds no ICC profile")
    wanted = Rendering(
        media_type=media_type,
        window=read.get("window"),
        viewport=read.get("viewport"),
        quality=read.get("quality", 90),
        annotations=annotations,
        profile=profile,
    )
    return wanted, unknown


def check_state(request: Request) -> None:
    """A presentation state has windows of its own, and takes a viewport without a source region (R-07, R-08, R-15)."""
    if params.single(request, "window") is not None:
        raise BadRequest("a presentation state takes no window")
    viewport = params.single(request, "viewport")
    if viewport is not None:
        box_of(viewport)


def decimal(text: str, name: str) -> float:
    """Raises BadRequest unless it is a finite decimal number."""
    if len(text) > 32 or not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        raise BadRequest(f"{name} has a value that is no decimal number")
    return float(text)


def positive(text: str, name: str) -> int:
    """Raises BadRequest unless it is an integer above 0."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise BadRequest(f"{name} needs positive integers")
    return int(text)


def window_of(parameter: Parameter) -> Window:
    """``center,width,function``, all three (R-08)."""
    members = parameter.value.split(",")
    if len(members) != 3:
        raise BadRequest("window is center,width,function")
    if members[2] not in _FUNCTIONS:
        raise BadRequest("the function of a window is linear, linear-exact or sigmoid")
    return Window(decimal(members[0], "window"), decimal(members[1], "window"), _FUNCTIONS[members[2]])


def viewport_of(parameter: Parameter) -> Viewport:
    """``vw,vh[,sx,sy,sw,sh]``; those of the source may be left empty, or away at the end (R-07)."""
    members = parameter.value.split(",")
    if not 2 <= len(members) <= 6:
        raise BadRequest("viewport is vw,vh or vw,vh,sx,sy,sw,sh")
    width, height = (positive(member, "viewport") for member in members[:2])
    x, y, source_width, source_height = (
        decimal(member, "viewport") if member else None for member in (members[2:] + [""] * 4)[:4]
    )
    if 0 in (source_width, source_height):
        raise BadRequest("the viewport's source region is empty")
    return Viewport(width, height, x or 0.0, y or 0.0, source_width, source_height)


def box_of(parameter: Parameter) -> tuple[int, int]:
    """``vw,vh`` alone, for what takes no more (R-07, R-20)."""
    members = parameter.value.split(",")
    if len(members) != 2:
        raise BadRequest("viewport takes only vw,vh here")
    return positive(members[0], "viewport"), positive(members[1], "viewport")


def quality_of(parameter: Parameter) -> int:
    """1 to 100 (R-06)."""
    found = positive(parameter.value, parameter.name)
    if found > 100:
        raise BadRequest(f"{parameter.name} is 1 to 100")
    return found


def annotations_of(parameter: Parameter) -> tuple[frozenset[Annotation], tuple[str, ...]]:
    """Those known, and the keywords that are not. Raises BadRequest for what is no keyword, or for none (R-05)."""
    members = [params.decoded(member) for member in parameter.raw.replace("%2C", ",").replace("%2c", ",").split(",")]
    if not all(_KEYWORD.fullmatch(member) for member in members):
        raise BadRequest("annotation is a list of keywords: patient, technique")
    known = {each.value: each for each in Annotation}
    return (
        frozenset(known[member] for member in members if member in known),
        tuple(member for member in members if member not in known),
    )


def profile_of(parameter: Parameter) -> Profile:
    try:
        return Profile(parameter.value)
    except ValueError:
        raise BadRequest(f"iccprofile is one of {', '.join(each.value for each in Profile)}") from None


_RULES: dict[str, Callable[[Parameter], Any]] = {
    "window": window_of,
    "viewport": viewport_of,
    "quality": quality_of,
    "annotation": annotations_of,
    "iccprofile": profile_of,
}

PARAMETERS = ("accept", *_RULES)
"""For the description of the service."""
