"""Cut, flip and scale a display image (PS3.18 8.3.5.1.3)."""

from __future__ import annotations

from PIL import Image

from dicomweb_server.dicom.pixels.arrays import Grey
from dicomweb_server.dicom.rendering.request import LARGEST_AREA, Region, Viewport
from dicomweb_server.model.errors import BadRequest


def cut(picture: Grey, region: Region | None) -> Grey:
    """The part of the picture, at least one pixel of it."""
    if region is None:
        return picture
    rows, columns = picture.shape[:2]
    top, left = int(region.top * rows), int(region.left * columns)
    return picture[top : max(top + 1, round(region.bottom * rows)), left : max(left + 1, round(region.right * columns))]


def framed(picture: Grey, viewport: Viewport | None, pixel: float = 1.0) -> Image.Image:
    """The picture as asked for. Raises BadRequest where the source region lies outside the image.

    ``pixel``: how high one is beside its width. Without a viewport the picture keeps its pixels as they are.
    """
    image = Image.fromarray(picture)
    if viewport is None:
        return image
    x, y = viewport.x, viewport.y
    width = image.width - x if viewport.source_width is None else viewport.source_width
    height = image.height - y if viewport.source_height is None else viewport.source_height
    right, bottom = min(x + abs(width), image.width), min(y + abs(height), image.height)
    if not (0 <= x < right and 0 <= y < bottom):
        raise BadRequest("the viewport's source region lies outside the image")
    scale = min(viewport.width / (right - x), viewport.height / (bottom - y) / pixel)
    size = (max(1, round((right - x) * scale)), max(1, round((bottom - y) * pixel * scale)))
    image = scaled(image, size, (x, y, right, bottom))
    if width < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def scaled(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """The image, or the part of it in ``box``, in this size. Raises BadRequest for one larger than is drawn here."""
    left, top, right, bottom = box or (0, 0, *image.size)
    if size == image.size and (left, top, right, bottom) == (0, 0, *image.size):
        return image
    if size[0] * size[1] > max(LARGEST_AREA, image.width * image.height):
        raise BadRequest(f"an image of {size[0]} x {size[1]} is larger than this server draws")
    enlarged = size[0] > right - left or size[1] > bottom - top
    filter_ = Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX
    return image.resize(size, filter_, box=(left, top, right, bottom))
