"""Display images as files: JPEG, PNG, GIF, JPEG 2000, JPEG XL (R-10, R-14)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from dicomweb_server.model.errors import NotAcceptable

MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2", "image/jxl")
MULTI_FRAME_TYPES = ("image/gif",)

_HOLDS_PROFILE = {"image/jpeg", "image/png"}


def holds_profile(media_type: str) -> bool:
    return media_type in _HOLDS_PROFILE


def written(image: Image.Image, media_type: str, *, quality: int = 90, profile: bytes | None = None) -> bytes:
    """One image as a file. Raises NotAcceptable for a type this server does not write."""
    extra: dict[str, Any] = {"icc_profile": profile} if profile else {}
    match media_type:
        case "image/jpeg":
            return _saved(image, "JPEG", quality=quality, **extra)
        case "image/png":
            return _saved(image, "PNG", compress_level=3, **extra)
        case "image/gif":
            return _saved(image, "GIF")
        case "image/jp2":
            level = 25 + quality // 3
            return bytes(imagecodecs.jpeg2k_encode(np.asarray(image), level, codecformat="jp2", numthreads=1))
        case "image/jxl":
            return bytes(imagecodecs.jpegxl_encode(np.asarray(image), quality, lossless=False, numthreads=1))
    raise NotAcceptable(f"images are not written as {media_type[:80]}", available=MEDIA_TYPES)


def animated(images: Sequence[Image.Image], *, milliseconds: float = 100.0) -> bytes:
    """All images as one looping GIF. Browsers play nothing faster than 20 ms an image."""
    first, *rest = images
    return _saved(first, "GIF", save_all=True, append_images=rest, duration=max(20, round(milliseconds)), loop=0)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
