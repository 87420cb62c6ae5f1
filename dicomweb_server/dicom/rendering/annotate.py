"""Text burned into a rendered image (PS3.18 8.3.5.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Set

from PIL import Image, ImageDraw

from dicomweb_server.dicom.dataset import Attributes
from dicomweb_server.dicom.rendering.fonts import lettered
from dicomweb_server.dicom.rendering.request import Annotation
from dicomweb_server.dicom.rendering.spelling import date, person

Part = tuple[str, str, str, Callable[[str], str]]
"""What stands before a value, its attribute, what stands behind it, and how it is written."""


def _figure(value: str) -> str:
    """A number in as many digits as anybody reads."""
    try:
        return f"{float(value):.4g}" if value else ""
    except ValueError:
        return value


_LINES: dict[Annotation, tuple[tuple[Part, ...], ...]] = {
    Annotation.PATIENT: (
        (("", "00100010", "", person),),
        (("ID ", "00100020", "", str),),
        (("born ", "00100030", "", date), ("", "00100040", "", str)),
    ),
    Annotation.TECHNIQUE: (
        (("", "00080060", "", str), ("", "00080020", "", date)),
        (("", "0008103E", "", str),),
        (("image ", "00200013", "", str), ("slice ", "00180050", " mm", _figure)),
        (("", "00180060", " kV", _figure), ("", "00181152", " mAs", _figure)),
        (("TR ", "00180080", " ms", _figure), ("TE ", "00180081", " ms", _figure)),
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
    lines = (
        ", ".join(
            f"{before}{text}{after}" for before, tag, after, written in line if (text := written(attributes.text(tag)))
        )
        for line in _LINES[kind]
    )
    return "\n".join(line[:64] for line in lines if line)


def _write(pen: ImageDraw.ImageDraw, size: int, at: tuple[int, int], text: str, to: str) -> None:
    text, font = lettered(text, size)
    white, black = ((255, 255, 255), (0, 0, 0)) if pen.mode == "RGB" else (255, 0)
    pen.multiline_text(at, text, font=font, fill=white, stroke_width=1, stroke_fill=black, anchor=to)
