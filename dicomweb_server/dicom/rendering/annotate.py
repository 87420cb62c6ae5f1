"""Text burned into a rendered image (PS3.18 8.3.5.1.1)."""

from __future__ import annotations

from collections.abc import Set

from PIL import Image, ImageDraw

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.fonts import lettered
from dicomweb_server.dicom.rendering.request import Annotation

_LINES = {
    Annotation.PATIENT: (("", "00100010"), ("ID ", "00100020"), ("born ", "00100030"), ("", "00100040")),
    Annotation.TECHNIQUE: (
        ("", "00080060"),
        ("", "0008103E"),
        ("kV ", "00180060"),
        ("mAs ", "00181152"),
        ("TR ", "00180080"),
        ("TE ", "00180081"),
        ("slice ", "00180050"),
    ),
}


def annotated(image: Image.Image, attributes: Attributes, wanted: Set[Annotation]) -> Image.Image:
    """The image with patient data at the top and technique at the bottom."""
    if not wanted:
        return image
    canvas = image.convert("RGB") if image.mode not in {"L", "RGB"} else image.copy()
    pen = ImageDraw.Draw(canvas)
    size = max(9, canvas.height // 32)
    if Annotation.PATIENT in wanted:
        _write(pen, size, (size // 2, size // 2), _lines(attributes, Annotation.PATIENT), "la")
    if Annotation.TECHNIQUE in wanted:
        place = (size // 2, canvas.height - size // 2)
        _write(pen, size, place, _lines(attributes, Annotation.TECHNIQUE), "ld")
    return canvas


def _lines(attributes: Attributes, kind: Annotation) -> str:
    found = ((label, attributes.text(tag)) for label, tag in _LINES[kind])
    return "\n".join(f"{label}{text.replace('^', ' ').strip()}"[:64] for label, text in found if text)


def _write(pen: ImageDraw.ImageDraw, size: int, at: tuple[int, int], text: str, to: str) -> None:
    text, font = lettered(text, size)
    white, black = ((255, 255, 255), (0, 0, 0)) if pen.mode == "RGB" else (255, 0)
    pen.multiline_text(at, text, font=font, fill=white, stroke_width=1, stroke_fill=black, anchor=to)
