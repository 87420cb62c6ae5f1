"""Two images in one, as a blending presentation state shows them (PS3.3 C.11.14, PS3.4 N.2.4; R-15)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.pixels.arrays import Reals
from dicomweb_server.dicom.pixels.decode import decode
from dicomweb_server.dicom.rendering.layers import Layer, bearable, grid
from dicomweb_server.dicom.rendering.palette import spread
from dicomweb_server.dicom.rendering.picture import Subject
from dicomweb_server.dicom.rendering.request import Viewport
from dicomweb_server.dicom.rendering.state import arranged, brightness
from dicomweb_server.model.errors import Undecodable

_SETS, _POSITION, _OPACITY = "00700402", "00700405", "00700403"


def blended(base: Layer, others: Mapping[int, Layer], state: Attributes, viewport: Viewport | None) -> Image.Image:
    """The underlying frame with the other, if there is one, over it where that has pixels, in the viewport.

    Between pixels in proportion, bits by the nearest. Raises Undecodable, for colour as well, and BadRequest for a
    picture larger than is drawn here.
    """
    bearable(base, 1)
    under = _grey(base, _image_set(state, "UNDERLYING"))[..., None]
    mixed = np.repeat(under, 3, axis=2)
    for over in others.values():
        opacity = min(max(state.number(_OPACITY) or 0.0, 0.0), 1.0)
        above = _grey(over, _image_set(state, "SUPERIMPOSED"))
        places = grid(over, base)
        bits = over.subject.facts.bits_allocated == 1
        laid = places.nearest(above) if bits else places.between(above)
        colours = spread(laid, state) / 255.0
        mixed = np.where(places.inside[..., None], colours * opacity + under * (1.0 - opacity), mixed)
    return arranged((mixed * 255 + 0.5).astype(np.uint8), base.subject, state, viewport)


def _image_set(state: Attributes, position: str) -> Attributes:
    found = (item for item in state.items(_SETS) if item.text(_POSITION) == position)
    return next(found, Attributes({}, state.bulk))


def _grey(layer: Layer, how: Attributes) -> Reals:
    decoded = decode(layer.data, layer.subject.facts)
    if decoded.cells.ndim != 2:
        raise Undecodable("colour images are not blended")
    return brightness(decoded, layer.subject, how, _no_others)


def _no_others(_number: int) -> tuple[bytes, Subject]:
    raise Undecodable("blended images are not subtracted")
