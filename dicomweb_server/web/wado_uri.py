"""WADO-URI: one object by query parameters, as a file or as it looks (PS3.18 9; U-01 to U-08)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.types import ASGIApp

from dicomweb_server.dicom.rendering.media import HOLD_PROFILE
from dicomweb_server.dicom.rendering.request import (
    LARGEST_SIDE,
    Annotation,
    Profile,
    Region,
    Rendering,
    Viewport,
    Window,
)
from dicomweb_server.dicom.syntaxes import EXPLICIT_LE
from dicomweb_server.model.errors import BadRequest, Forbidden, NotAcceptable
from dicomweb_server.model.ids import InstanceKey, is_uid, uid
from dicomweb_server.retrieve.nature import Nature, every_frame, middle_frame, nature_of
from dicomweb_server.retrieve.presented import By
from dicomweb_server.retrieve.shelf import Held
from dicomweb_server.web import caching, documents, instances, params, rendered, rendered_request, rendered_types
from dicomweb_server.web.accept import DICOM, Accepted, Range
from dicomweb_server.web.mediatypes import content_type
from dicomweb_server.web.params import Parameter
from dicomweb_server.web.rendered_types import GIF
from dicomweb_server.web.services import services_of

_WINDOW = ("windowCenter", "windowWidth")
_STATE = ("presentationSeriesUID", "presentationUID")
_ANONYMIZE = "anonymize"

PARAMETERS = (
    "requestType",
    "studyUID",
    "seriesUID",
    "objectUID",
    "contentType",
    "transferSyntax",
    "frameNumber",
    "annotation",
    "imageAnnotation",
    "imageQuality",
    "rows",
    "columns",
    "region",
    *_WINDOW,
    *_STATE,
    "iccprofile",
)
"""For the description of the service."""

Given = Mapping[str, Parameter]


async def retrieve(request: Request) -> ASGIApp:
    """GET /wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=…"""
    given = _given(request)
    key = _key(given)
    types = _types(given)
    _check(given, types)
    held = await services_of(request).shelf.instance(key, within_seconds=0.0)
    if types == (DICOM,):
        return await instances.single(request, held, _file_range(request, given))
    offered = rendered_types.offered(held)
    form = rendered_types.of_one(_accepted(request, given, types), offered)
    if form is None:
        raise NotAcceptable("the object cannot be given in any accepted form", available=(DICOM, *offered))
    if nature_of(held) is not Nature.IMAGE:
        return await documents.answer(request, held, rendered_types.Form(form.media_type, False))
    by = await _state(request, given, key)
    wanted, unknown = _rendering(given, form.media_type)
    frames = _frames(given, held, form.media_type)
    return await rendered.one_image(request, held, frames, wanted, by=by, more=rendered.warnings(request, unknown))


async def _state(request: Request, given: Given, key: InstanceKey) -> By | None:
    """The presentation state to show the image by, of the same study."""
    if "presentationUID" not in given:
        return None
    series, instance = (uid(given[name].value, name) for name in _STATE)
    state = await services_of(request).shelf.instance(InstanceKey(key.study, series, instance))
    if nature_of(state) is not Nature.STATE:
        raise BadRequest("presentationUID names no presentation state that is drawn here")
    return await services_of(request).rendered.by(state)


def _given(request: Request) -> Given:
    """The parameters of this service by name; others say nothing here."""
    found: dict[str, Parameter] = {}
    for parameter in params.parameters(request):
        if parameter.name not in (*PARAMETERS, _ANONYMIZE):
            continue
        if parameter.name in found:
            raise BadRequest(f"{parameter.name[:40]} is given more than once")
        found[parameter.name] = parameter
    return found


def _key(given: Given) -> InstanceKey:
    if "requestType" not in given or given["requestType"].value != "WADO":
        raise BadRequest("requestType is WADO")
    missing = [name for name in ("studyUID", "seriesUID", "objectUID") if name not in given]
    if missing:
        raise BadRequest(f"{', '.join(missing)} is missing")
    study, series, instance = (uid(given[name].value, name) for name in ("studyUID", "seriesUID", "objectUID"))
    return InstanceKey(study, series, instance)


def _types(given: Given) -> tuple[str, ...]:
    """The values of contentType, in lower case; empty where it is not given (U-02)."""
    if "contentType" not in given:
        return ()
    types = []
    for member in given["contentType"].value.split(","):
        parsed = content_type(member)
        if parsed is None or parsed.parameters.keys() & {"transfer-syntax", "charset"}:
            raise BadRequest("contentType is a list of media types; transferSyntax and charset stand by themselves")
        types.append(parsed.kind)
    if DICOM in types and len(types) > 1:
        raise BadRequest("application/dicom stands alone in contentType")
    return tuple(types)


def _check(given: Given, types: tuple[str, ...]) -> None:
    """Which parameters go together (U-04 to U-06)."""
    if _ANONYMIZE in given:
        if given[_ANONYMIZE].value != "yes":
            raise BadRequest("anonymize is yes or not given")
        raise Forbidden("this server does not de-identify")
    for pair in (_WINDOW, _STATE):
        if len(given.keys() & set(pair)) == 1:
            raise BadRequest(f"{' and '.join(pair)} go together")
    if "windowCenter" in given and types == (DICOM,):
        raise BadRequest("a window is for images, not for application/dicom")
    if "presentationUID" in given and "windowCenter" in given:
        raise BadRequest("a window and a presentation state exclude each other")


def _file_range(request: Request, given: Given) -> Accepted:
    stored = services_of(request).wado_uri_as_stored
    syntax = given["transferSyntax"].value if "transferSyntax" in given else "*" if stored else EXPLICIT_LE
    if syntax != "*" and not is_uid(syntax):
        raise BadRequest("transferSyntax is one UID")
    named = syntax if "transferSyntax" in given or stored else None
    return Accepted((Range(DICOM, False, named),))


def _accepted(request: Request, given: Given, types: tuple[str, ...]) -> Accepted:
    """contentType, then Accept; there is no multipart in this service (U-02, U-07)."""
    named = given["contentType"].value if types and "*/*" not in types else None
    accepted = Accepted.of(named or caching.field(request, b"accept"))
    return Accepted(tuple(each for each in accepted.ranges if each.bare or not each.multipart))


def _frames(given: Given, held: Held, media_type: str) -> Sequence[int]:
    """The one named, else the middle one of several, or all of them as an animation where no state shows them."""
    if "frameNumber" not in given:
        animation = media_type == GIF and "presentationUID" not in given
        return every_frame(held) if animation else (middle_frame(held),)
    number = rendered_request.positive(given["frameNumber"].value, "frameNumber")
    if held.index is None or held.index.count == 1:
        raise BadRequest("frameNumber is for images of several frames")
    if number > held.index.count:
        raise BadRequest(f"there is no frame {number}")
    return (number,)


def _rendering(given: Given, media_type: str) -> tuple[Rendering, tuple[str, ...]]:
    """What is to be drawn, and the annotations asked for that are not known."""
    annotations: frozenset[Annotation] = frozenset()
    unknown: tuple[str, ...] = ()
    for name in ("annotation", "imageAnnotation"):
        if name in given:
            known, others = rendered_request.annotations_of(given[name])
            annotations, unknown = annotations | known, unknown + others
    profile = rendered_request.profile_of(given["iccprofile"]) if "iccprofile" in given else Profile.NO
    if profile is not Profile.NO and media_type not in HOLD_PROFILE:
        raise BadRequest(f"{media_type} holds no ICC profile")
    wanted = Rendering(
        media_type=media_type,
        window=_window(given),
        region=_region(given),
        viewport=_viewport(given),
        quality=rendered_request.quality_of(given["imageQuality"]) if "imageQuality" in given else 90,
        annotations=annotations,
        profile=profile,
    )
    return wanted, unknown


def _window(given: Given) -> Window | None:
    if "windowCenter" not in given:
        return None
    center, width = (rendered_request.decimal(given[name].value, name) for name in _WINDOW)
    return Window(center, width)


def _region(given: Given) -> Region | None:
    if "region" not in given:
        return None
    members = given["region"].value.split(",")
    if len(members) != 4:
        raise BadRequest("a region is xmin,ymin,xmax,ymax")
    left, top, right, bottom = (rendered_request.decimal(member, "region") for member in members)
    return Region(left, top, right, bottom)


def _viewport(given: Given) -> Viewport | None:
    """The most rows and columns; the aspect decides what is not given (U-05)."""
    if not given.keys() & {"rows", "columns"}:
        return None
    columns, rows = (
        rendered_request.positive(given[name].value, name) if name in given else LARGEST_SIDE
        for name in ("columns", "rows")
    )
    return Viewport(columns, rows)
