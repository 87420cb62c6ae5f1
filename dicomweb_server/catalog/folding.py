"""Text as it is compared: names without case and accents, dates and times in one spelling (Q-07, Q-09)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 500
"""Characters of a value that stand in a column; an index row of PostgreSQL holds 2704 bytes."""

_SEPARATORS = re.compile(r"[\s^=,.\\\-]+")


def column(text: str) -> str:
    """``text`` as a column can hold it."""
    return text[:LONGEST].replace("\x00", "") if len(text) > LONGEST or "\x00" in text else text


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """A name without case, accents, and what is padding at the end of each group."""
    if not text.isascii():
        spelled = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in spelled if not unicodedata.combining(c)))
    groups = [group.strip(" ").rstrip("^ ") for group in text.casefold().split("=")]
    return "=".join(groups).rstrip("=")


def words(name: str) -> list[str]:
    """The words of a folded name, wherever they stand in it."""
    return [word for word in _SEPARATORS.split(folded(name)) if word]


def date(text: str) -> str:
    """``YYYYMMDD``, also from the old form with dots (PS3.5 6.2); '' when it is no date."""
    text = text.strip().replace(".", "").replace("-", "")
    return text if len(text) == 8 and text.isdigit() else ""


def time(text: str) -> str:
    """``HHMMSS.FFFFFF`` of a time, the start of its span where it is less precise; '' when it is none."""
    whole, _, fraction = text.strip().replace(":", "").partition(".")
    if not (whole.isdigit() and len(whole) in (2, 4, 6)):
        return ""
    return f"{whole:0<6}.{fraction[:6]:0<6}" if fraction.isdigit() or not fraction else ""


def last_time(text: str) -> str:
    """The end of the span that ``text`` covers: ``2230`` is up to 22:30:59.999999."""
    whole, _, fraction = text.strip().replace(":", "").partition(".")
    return f"{whole}{'235959'[len(whole) :]}.{fraction:9<6}"


def moment(text: str) -> str:
    """The start of the span of a DT, without its offset: ``YYYYMMDDHHMMSS.FFFFFF``."""
    whole, fraction = _moment_parts(text)
    return f"{whole}{'00000101000000'[len(whole) :]}.{fraction:0<6}"


def last_moment(text: str) -> str:
    """The end of the span of a DT: ``201305`` is up to the end of May."""
    whole, fraction = _moment_parts(text)
    return f"{whole}{'99991231235959'[len(whole) :]}.{fraction:9<6}"


def _moment_parts(text: str) -> tuple[str, str]:
    bare = re.sub(r"[+-]\d{4}$", "", text.strip())
    whole, _, fraction = bare.partition(".")
    return whole[:14], fraction[:6]
