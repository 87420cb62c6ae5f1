"""What stands for an object without a picture, or with none that may be shown: its modality on a card (R-21, R-22)."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from dicomweb_server.dicom.rendering.formats import written

_PAPER, _EDGE, _INK = 40, 90, 200
_DOCUMENTS = {"SR", "DOC", "KO", "PR", "PLAN", "RTPLAN", "ANN"}


@lru_cache(maxsize=64)
def icon(modality: str, *, width: int = 128, height: int = 128, media_type: str = "image/jpeg") -> bytes:
    """A small card naming the modality; a sheet of lines behind it for documents."""
    label = "".join(c for c in modality.upper() if c.isalnum())[:8] or "?"
    image = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(image)
    edge = max(2, min(width, height) // 10)
    pen.rounded_rectangle((edge, edge, width - edge, height - edge), radius=edge, fill=_PAPER, outline=_EDGE, width=2)
    if label in _DOCUMENTS:
        for line in range(3):
            y = height - edge * (4 - line)
            pen.line((edge * 2, y, width - edge * 2, y), fill=_EDGE, width=2)
    font = ImageFont.load_default(max(10, min(width, height) // 5))
    pen.text((width / 2, height / 2), label, font=font, fill=_INK, anchor="mm")
    return written(image, media_type)
