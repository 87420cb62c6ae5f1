"""Frames to a rendered image, from stored bytes to a file."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageCms

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.rendering.annotate import annotated
from dicomweb_server.dicom.rendering.formats import animated, written
from dicomweb_server.dicom.rendering.media import HOLD_PROFILE
from dicomweb_server.dicom.rendering.picture import Subject, picture
from dicomweb_server.dicom.rendering.request import Profile, Rendering
from dicomweb_server.dicom.rendering.state import shown
from dicomweb_server.dicom.rendering.viewport import cut, framed
from dicomweb_server.model.errors import BadRequest

_ICC = "00282000"
_OPTICAL_PATHS = "00480105"


def render(data: bytes, subject: Subject, wanted: Rendering) -> bytes:
    """One frame as a file of ``wanted.media_type``.

    Raises Undecodable, BadRequest for a region or profile that cannot be, NotAcceptable for a type not written here.
    """
    image = drawn(data, subject, wanted)
    if wanted.profile is Profile.NO:
        return written(image, wanted.media_type, quality=wanted.quality)
    if wanted.media_type not in HOLD_PROFILE:
        raise BadRequest(f"{wanted.media_type} holds no ICC profile (R-09)")
    own = _own_profile(subject.attributes) if image.mode == "RGB" else None
    if own is not None and wanted.profile is Profile.SRGB:
        image, own = _to_srgb(image, own), None
    return written(image, wanted.media_type, quality=wanted.quality, profile=own or srgb_profile())


def render_state(data: bytes, subject: Subject, state: Attributes, wanted: Rendering) -> bytes:
    """One frame through a presentation state, scaled into the viewport (R-15)."""
    image = framed(cut(np.asarray(shown(data, subject, state)), wanted.region), wanted.viewport)
    image = annotated(image, subject.attributes, wanted.annotations)
    profile = srgb_profile() if wanted.profile is not Profile.NO else None
    return written(image, wanted.media_type, quality=wanted.quality, profile=profile)


def render_animated(frames: Iterable[tuple[bytes, Subject]], wanted: Rendering) -> bytes:
    """All frames as one animated GIF at the pace the image names (R-03)."""
    images, pace = [], 100.0
    for data, subject in frames:
        images.append(drawn(data, subject, wanted))
        pace = subject.attributes.number("00181063") or pace
    if not images:
        raise BadRequest("an animation of no frames")
    return animated(images, milliseconds=pace)


def drawn(data: bytes, subject: Subject, wanted: Rendering) -> Image.Image:
    """Modality, VOI and presentation, then the viewport, annotation last (R-04)."""
    whole = picture(decode(data, subject.facts), subject, wanted.window)
    image = framed(cut(whole, wanted.region), wanted.viewport)
    return annotated(image, subject.attributes, wanted.annotations)


def srgb_profile() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def _own_profile(attributes: Attributes) -> bytes | None:
    """The data set's profile, or that of its first optical path."""
    return attributes.binary(_ICC) or attributes.item(_OPTICAL_PATHS).binary(_ICC)


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return image
    return turned or image
