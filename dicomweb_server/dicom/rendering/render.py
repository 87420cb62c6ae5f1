"""Frames to a rendered image, from stored bytes to a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.rendering.advanced import blended_with_all
from dicomweb_server.dicom.rendering.annotate import annotated
from dicomweb_server.dicom.rendering.blending import blended
from dicomweb_server.dicom.rendering.formats import animated, written
from dicomweb_server.dicom.rendering.inputs import inputs_of
from dicomweb_server.dicom.rendering.layers import Layer
from dicomweb_server.dicom.rendering.media import HOLD_PROFILE
from dicomweb_server.dicom.rendering.pace import milliseconds
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.profiles import in_space, profile_in
from dicomweb_server.dicom.rendering.proportions import proportion
from dicomweb_server.dicom.rendering.request import Profile, Rendering
from dicomweb_server.dicom.rendering.state import shown
from dicomweb_server.dicom.rendering.subtraction import FrameOf
from dicomweb_server.dicom.rendering.viewport import cut, framed
from dicomweb_server.model.errors import BadRequest

_ICC = "00282000"


def render(data: bytes, subject: Subject, wanted: Rendering) -> bytes:
    """One frame as a file of ``wanted.media_type``.

    Raises Undecodable, BadRequest for a region or profile that cannot be, NotAcceptable for a type not written here.
    """
    own = profile_in(subject.attributes, subject, data)
    return _file(drawn(data, subject, wanted), own, wanted)


def render_state(data: bytes, subject: Subject, state: Attributes, wanted: Rendering, frame: FrameOf) -> bytes:
    """One frame through a presentation state, scaled into the viewport (R-15). ``frame`` finds others of the image."""
    image = shown(data, subject, state, frame, None if wanted.region else wanted.viewport)
    own = state.binary(_ICC) or profile_in(subject.attributes, subject, data)
    return _file(_finished(image, subject, wanted), own, wanted)


def render_blended(base: Layer, others: Mapping[int, Layer], state: Attributes, wanted: Rendering) -> bytes:
    """One frame blended with others, by the numbers of their inputs, as a blending state has them (R-15)."""
    how = blended_with_all if inputs_of(state) else blended
    image = how(base, others, state, None if wanted.region else wanted.viewport)
    return _file(_finished(image, base.subject, wanted), state.binary(_ICC), wanted)


def _finished(image: Image.Image, subject: Subject, wanted: Rendering) -> Image.Image:
    """A region is cut from what the state shows, and scaled then (U-06)."""
    if wanted.region is not None:
        image = framed(cut(np.asarray(image), wanted.region), wanted.viewport)
    return annotated(image, subject.attributes, wanted.annotations)


def render_animated(frames: Iterable[tuple[bytes, Subject]], wanted: Rendering) -> bytes:
    """All frames as one animated GIF at the pace the image names (R-03)."""
    images, times = [], []
    for data, subject in frames:
        images.append(drawn(data, subject, wanted))
        times.append(milliseconds(subject.attributes, subject.number))
    if not images:
        raise BadRequest("an animation of no frames")
    return animated(images, times)


def drawn(data: bytes, subject: Subject, wanted: Rendering) -> Image.Image:
    """Modality, VOI and presentation, then the viewport, annotation last (R-04)."""
    whole = picture(decode(data, subject.facts), subject, wanted.window)
    pixel = proportion(subject.attributes, subject.number)
    image = framed(cut(whole, wanted.region), wanted.viewport, pixel)
    return annotated(image, subject.attributes, wanted.annotations)


def _file(image: Image.Image, own: bytes | None, wanted: Rendering) -> bytes:
    if wanted.profile is not Profile.NO and wanted.media_type not in HOLD_PROFILE:
        raise BadRequest(f"{wanted.media_type} holds no ICC profile")
    image, profile = in_space(image, own, wanted.profile)
    return written(image, wanted.media_type, quality=wanted.quality, profile=profile)
