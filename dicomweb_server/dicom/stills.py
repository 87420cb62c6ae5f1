"""What an ordinary picture or video says of itself, as Image Pixel attributes (S-06; PS3.18 10.5.2)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dicomweb_server.model.errors import BadRequest, TooLarge

PIXELS = 1 << 28


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded frames: (frames, rows, columns) or (frames, rows, columns, 3), of 8 or 16 bits."""

    frames: NDArray[Any]

    def attributes(self) -> dict[str, int | str]:
        """Image Pixel Description attributes by keyword, for frames stored as they are here."""
        return _attributes(
            rows=self.frames.shape[1],
            columns=self.frames.shape[2],
            samples=3 if self.frames.ndim == 4 else 1,
            bits=self.frames.dtype.itemsize * 8,
            photometric="RGB" if self.frames.ndim == 4 else "MONOCHROME2",
            frames=self.frames.shape[0],
        )


def decode(content: bytes) -> Picture:
    """Every frame of a PNG or GIF, alpha dropped. Raises BadRequest when it is none, TooLarge when too big."""
    with _open(content) as image:
        count = getattr(image, "n_frames", 1)
        if image.width * image.height * count > PIXELS:
            raise TooLarge(f"pictures may have {PIXELS} pixels in all")
        frames = []
        try:
            for number in range(count):
                image.seek(number)
                frames.append(np.asarray(image.convert(_mode(image))))
        except (OSError, ValueError, SyntaxError):
            raise BadRequest("the picture is broken") from None
    return Picture(np.stack([frame.astype(np.uint16) if frame.dtype.itemsize > 2 else frame for frame in frames]))


def describe(content: bytes) -> dict[str, int | str]:
    """Image Pixel attributes of a JPEG or JPEG 2000 codestream that will be stored unchanged."""
    with _open(content) as image:
        grey = image.mode in ("1", "L", "I;16", "I", "LA")
        jpeg = image.format == "JPEG"
        return _attributes(
            rows=image.height,
            columns=image.width,
            samples=1 if grey else 3,
            bits=16 if image.mode.startswith("I") else 8,
            photometric="MONOCHROME2" if grey else "YBR_FULL_422" if jpeg else "RGB",
            frames=1,
        )


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise BadRequest("the picture cannot be read") from None
    except Image.DecompressionBombError:
        raise TooLarge(f"pictures may have {PIXELS} pixels in all") from None


def _mode(image: Image.Image) -> str:
    if image.mode in ("L", "1", "LA"):
        return "L"
    return image.mode if image.mode in ("I;16", "I;16B", "I") else "RGB"


def _attributes(
    *, rows: int, columns: int, samples: int, bits: int, photometric: str, frames: int
) -> dict[str, int | str]:
    found: dict[str, int | str] = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": photometric,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
    }
    if samples > 1:
        found["PlanarConfiguration"] = 0
    if frames > 1:
        found["NumberOfFrames"] = frames
    return found
