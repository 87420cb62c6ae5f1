"""A font that can write a text. The one that is always here knows ASCII only; the system may have others."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

_INSTALLED = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "NanumGothic.ttf",
)
"""Files that Pillow looks for where the system keeps its fonts."""
_ALWAYS = frozenset(map(chr, range(128)))
_NO_CHARACTER = "\U0010fffe"
_WITHOUT_FORM = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "đ": "d", "Đ": "D", "ł": "l", "Ł": "L"}
)


def lettered(text: str, size: float) -> tuple[str, Font]:
    """The text, and a font of this size for it; without its accents, and with ``?``, where no font knows it."""
    strange = frozenset(text) - _ALWAYS
    if not strange:
        return text, ImageFont.load_default(size)
    for name in _INSTALLED:
        if all(_knows(name, character) for character in strange):
            return text, ImageFont.truetype(name, size)
    return plain(text), ImageFont.load_default(size)


def plain(text: str) -> str:
    """In ASCII: ``Müller`` as ``Muller``, what has no such form as ``?``."""
    return "".join(_without_accents(character) for character in unicodedata.normalize("NFC", text))


def _without_accents(character: str) -> str:
    apart = unicodedata.normalize("NFKD", character.translate(_WITHOUT_FORM))
    kept = "".join(each for each in apart if not unicodedata.combining(each))
    return kept if kept.isascii() else "?"


@lru_cache(maxsize=4096)
def _knows(name: str, character: str) -> bool:
    """Whether the font is installed and draws the character otherwise than one that does not exist."""
    font = _loaded(name)
    return font is not None and bytes(font.getmask(character)) != bytes(font.getmask(_NO_CHARACTER))


@lru_cache(maxsize=len(_INSTALLED))
def _loaded(name: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, 16)
    except OSError:
        return None
