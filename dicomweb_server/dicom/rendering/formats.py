"""Display images as files: JPEG, PNG, GIF, JPEG 2000 (plain and high-throughput), JPEG XL (R-10, R-14)."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomweb_server.dicom.rendering.media import IMAGES
from dicomweb_server.dicom.rendering.pace import hundredths
from dicomweb_server.model.errors import NotAcceptable

_WHOLE, _HALVED = "4:4:4", "4:2:0"
_MOST_HALVED = 90
"""Above this quality colours are kept in full resolution: who asks for more does not want them blurred."""


def written(image: Image.Image, media_type: str, *, quality: int = 90, profile: bytes | None = None) -> bytes:
    """One image as a file. Raises NotAcceptable for a type this server does not write."""
    extra: dict[str, Any] = {"icc_profile": profile} if profile else {}
    match media_type:
        case "image/jpeg":
            halved = quality <= _MOST_HALVED
            if profile or image.mode not in ("L", "RGB"):
                return _saved(image, "JPEG", quality=quality, subsampling=_HALVED if halved else _WHOLE, **extra)
            # The same bytes as Pillow's, without its copy of the pixels
            return bytes(imagecodecs.jpeg8_encode(np.asarray(image), quality, subsampling="420" if halved else "444"))
        case "image/png":
            return _saved(image, "PNG", compress_level=3, **extra)
        case "image/gif":
            return _saved(image, "GIF")
        case "image/jp2":
            level = 25 + quality // 3
            pixels = np.asarray(image)
            codestream = imagecodecs.jpeg2k_encode(pixels, level, codecformat="j2k", numthreads=1)
            return _boxed(b"jp2 ", bytes(codestream), pixels, profile)
        case "image/jph":
            pixels = np.asarray(image)
            return _boxed(b"jph ", bytes(imagecodecs.htj2k_encode(pixels, reversible=True)), pixels, profile)
        case "image/jxl":
            return bytes(imagecodecs.jpegxl_encode(np.asarray(image), quality, lossless=False, numthreads=1))
    raise NotAcceptable(f"images are not written as {media_type[:80]}", available=IMAGES)


def animated(images: Sequence[Image.Image], times: Sequence[float]) -> bytes:
    """All images as one looping GIF, each shown for so many milliseconds."""
    first, *rest = images
    durations = [time * 10 for time in hundredths(times)]
    return _saved(first, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)


def _boxed(brand: bytes, codestream: bytes, pixels: NDArray[np.uint8], profile: bytes | None) -> bytes:
    """A codestream in the boxes of a JP2 or JPH file (ITU-T T.800 I, T.814 D)."""
    rows, columns = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    size = struct.pack(">IIHBBBB", rows, columns, samples, 7, 7, 0, 0)
    if profile is not None:
        colour = struct.pack(">BBB", _ICC, 0, 0) + profile
    else:
        colour = struct.pack(">BBBI", _ENUMERATED, 0, 0, _SRGB if samples == 3 else _GREYSCALE)
    return b"".join(
        (
            _box(b"jP  ", b"\r\n\x87\n"),
            _box(b"ftyp", brand + bytes(4) + brand),
            _box(b"jp2h", _box(b"ihdr", size) + _box(b"colr", colour)),
            _box(b"jp2c", codestream),
        )
    )


_ENUMERATED, _ICC = 1, 2
_SRGB, _GREYSCALE = 16, 17


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
