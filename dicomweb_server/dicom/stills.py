"""What an ordinary picture or video says of itself, as Image Pixel attributes (S-06; PS3.18 10.5.2)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dicomweb_server.dicom.pixels.codestream import Codestream, codestream
from dicomweb_server.dicom.pixels.families import Family
from dicomweb_server.model.errors import BadRequest, TooLarge, Undecodable

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
    """Image Pixel attributes of a JPEG, JPEG-LS or JPEG 2000 stream that will be stored unchanged.

    Raises BadRequest when it is none.
    """
    try:
        stream = codestream(content)
    except Undecodable:
        stream = None
    if stream is None or stream.components not in (1, 3) or stream.bits is None:
        raise BadRequest("the picture cannot be read")
    return _attributes(
        rows=stream.rows,
        columns=stream.columns,
        samples=stream.components,
        bits=stream.bits,
        photometric=_photometric(stream),
        frames=1,
        signed=bool(stream.signed),
    )


def _photometric(stream: Codestream) -> str:
    if stream.components == 1:
        return "MONOCHROME2"
    if stream.family is Family.JPEG and stream.colour != "RGB" and not stream.lossless:
        return "YBR_FULL_422" if stream.subsampled else "YBR_FULL"
    if stream.family is Family.JPEG_2000 and stream.colour == "RGB":
        return "YBR_RCT" if stream.lossless else "YBR_ICT"
    return "RGB"


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
    *, rows: int, columns: int, samples: int, bits: int, photometric: str, frames: int, signed: bool = False
) -> dict[str, int | str]:
    found: dict[str, int | str] = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": photometric,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 8 if bits <= 8 else 16,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
    }
    if samples > 1:
        found["PlanarConfiguration"] = 0
    if frames > 1:
        found["NumberOfFrames"] = frames
    return found
