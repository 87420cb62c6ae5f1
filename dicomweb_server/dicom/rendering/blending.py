"""Two images in one, as a blending presentation state shows them (PS3.3 C.11.14, PS3.4 N.2.4; R-15)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.rendering.palette import spread
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.plane import Plane
from dicomweb_server.dicom.rendering.registration import registered
from dicomweb_server.dicom.rendering.request import Viewport
from dicomweb_server.dicom.rendering.state import arranged, brightness
from dicomweb_server.model.errors import Undecodable

UNDERLYING, SUPERIMPOSED = "UNDERLYING", "SUPERIMPOSED"
_MOST_PIXELS = 1 << 24
"""Of a blended frame: every pixel is looked up in parts, which takes a hundred times its memory."""
_SETS, _POSITION, _OPACITY = "00700402", "00700405", "00700403"


def image_set(state: Attributes, position: str) -> Attributes:
    """What the state says of its underlying or superimposed images; nothing where it is no blending state."""
    found = (item for item in state.items(_SETS) if item.text(_POSITION) == position)
    return next(found, Attributes({}, state.bulk))


def blended(
    data: bytes,
    subject: Subject,
    over: tuple[bytes, Subject] | None,
    state: Attributes,
    viewport: Viewport | None = None,
    registration: Attributes | None = None,
) -> Image.Image:
    """The underlying frame with the other over it where that has pixels, in the viewport.

    ``registration``: a spatial registration of both.

    Raises Undecodable, for colour as well, and BadRequest for a picture larger than is drawn here.
    """
    if subject.facts.pixels > _MOST_PIXELS:
        raise Undecodable(f"a frame of more than {_MOST_PIXELS} pixels is not blended")
    under = _grey(data, subject, image_set(state, UNDERLYING))[..., None]
    mixed = np.repeat(under, 3, axis=2)
    if over is not None:
        opacity = min(max(state.number(_OPACITY) or 0.0, 0.0), 1.0)
        above = _grey(*over, image_set(state, SUPERIMPOSED))
        mine, other = (registered(each.attributes, each.number, registration) for each in (subject, over[1]))
        laid, inside = _laid(above, over[1], mine, other, (under.shape[0], under.shape[1]))
        colours = spread(laid, state) / 255.0
        mixed = np.where(inside[..., None], colours * opacity + under * (1.0 - opacity), mixed)
    return arranged((mixed * 255 + 0.5).astype(np.uint8), subject, state, viewport)


def _grey(data: bytes, subject: Subject, how: Attributes) -> Reals:
    decoded = decode(data, subject.facts)
    if decoded.cells.ndim != 2:
        raise Undecodable("colour images are not blended")
    return brightness(decoded, subject, how, _no_others)


def _no_others(_number: int) -> tuple[bytes, Subject]:
    raise Undecodable("blended images are not subtracted")


def _laid(
    above: Reals, over: Subject, mine: Plane | None, other: Plane | None, shape: tuple[int, int]
) -> tuple[Reals, np.ndarray]:
    """Brightness at each pixel of the underlying frame, and where there is any.

    By their planes in the patient, else stretched to the same size. Between pixels in proportion; bits by the nearest.
    """
    if mine is not None and other is not None and mine.reference == other.reference:
        down, across = mine.pixels_in(other, *shape)
    else:
        down, across = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
        down = (down + 0.5) * above.shape[0] / shape[0] - 0.5
        across = (across + 0.5) * above.shape[1] / shape[1] - 0.5
    edge = 0.5 + 1e-6
    inside = (down >= -edge) & (down <= above.shape[0] - 1 + edge)
    inside &= (across >= -edge) & (across <= above.shape[1] - 1 + edge)
    down, across = np.clip(down, 0, above.shape[0] - 1), np.clip(across, 0, above.shape[1] - 1)
    if over.facts.bits_allocated == 1:
        return above[np.rint(down).astype(np.intp), np.rint(across).astype(np.intp)], inside
    return _between(above, down, across), inside


def _between(values: Reals, down: Reals, across: Reals) -> Reals:
    top, left = np.floor(down).astype(np.intp), np.floor(across).astype(np.intp)
    bottom = np.minimum(top + 1, values.shape[0] - 1)
    right = np.minimum(left + 1, values.shape[1] - 1)
    low, near = down - top, across - left
    upper = values[top, left] * (1 - near) + values[top, right] * near
    lower = values[bottom, left] * (1 - near) + values[bottom, right] * near
    found: Reals = upper * (1 - low) + lower * low
    return found
