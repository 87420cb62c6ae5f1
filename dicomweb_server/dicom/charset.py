"""Text of every Specific Character Set to Unicode (PS3.3 C.12.1.1.2, PS3.5 6.1).

Decoding never fails: what cannot be read becomes U+FFFD. Wrong names of character sets are read as what their
writers meant.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CODECS = {
    6: "ascii",
    13: "shift_jis",
    58: "gb2312",
    87: "iso2022_jp",
    100: "latin_1",
    101: "iso8859_2",
    109: "iso8859_3",
    110: "iso8859_4",
    126: "iso8859_7",
    127: "iso8859_6",
    138: "iso8859_8",
    144: "iso8859_5",
    148: "iso8859_9",
    149: "euc_kr",
    159: "iso2022_jp_2",
    166: "tis_620",
    192: "utf_8",
    203: "iso8859_15",
}
"""By ISO registration number, as in ISO_IR 100 and ISO 2022 IR 100."""

_BY_NAME = {
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO2022GBK": "gbk",
    "ISO202258": "gb2312",
    "GB2312": "gb2312",
    "UTF8": "utf_8",
    "ASCII": "ascii",
    "LATIN1": "latin_1",
    "SHIFTJIS": "shift_jis",
}

_ESCAPES = {
    b"(B": "ascii",
    b"(J": "shift_jis",
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "tis_620",
    b"-b": "iso8859_15",
    b"$B": "iso2022_jp",
    b"$@": "iso2022_jp",
    b"$(D": "iso2022_jp_2",
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
}
"""What follows ESC, and the codec from there on (PS3.3 Tables C.12-3 and C.12-4)."""

_TWO_BYTE_G0 = ("iso2022_jp", "iso2022_jp_2")
"""Their codes look like ASCII, so neither backslash nor caret can be told inside; Python's codecs want the escape."""

_RESET = re.compile(rb"[\\\r\n\t\f]")
_RESET_IN_NAMES = re.compile(rb"[\\\r\n\t\f^=]")

DEFAULT = ""
"""The charset of a data set that names none."""


@lru_cache(maxsize=256)
def charset_of(declared: bytes) -> str:
    """The codec to begin with, for a value of (0008,0005); ``DEFAULT`` where that names nothing known."""
    first = declared.split(b"\\")[0].decode("latin-1")
    return codec_of(first)


def codec_of(name: str) -> str:
    """The codec that a defined term, or what was meant by a wrong one, stands for."""
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    if found := re.fullmatch(r"ISO(?:2022)?IR(\d+)", plain):
        return _known(int(found[1]))
    if found := re.fullmatch(r"ISO8859(\d+)", plain):
        return f"iso8859_{found[1]}" if 1 <= int(found[1]) <= 16 and found[1] != "12" else DEFAULT
    return DEFAULT


def is_known(name: str) -> bool:
    """Whether a non-empty ``name`` is a defined term (or near enough to one)."""
    return codec_of(name) != DEFAULT or name.strip().upper() in ("ISO_IR 6", "ISO 2022 IR 6")


def _known(number: int) -> str:
    codec = _CODECS.get(number, DEFAULT)
    return DEFAULT if codec == "ascii" else codec


def decode(raw: bytes, codec: str, *, name: bool = False) -> str:
    """``raw`` as text. ``name``: a person name, where carets and equals signs end what an escape began."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if b"\x1b" in raw and codec not in ("utf_8", "gb18030", "gbk"):
        return _decode_escaped(raw, codec, _RESET_IN_NAMES if name else _RESET)
    return _decode(raw, codec)


def _decode(raw: bytes, codec: str) -> str:
    if codec in ("", "ascii"):
        return _decode_undeclared(raw)
    if codec in _TWO_BYTE_G0:
        # Before any escape, Japanese sets begin with JIS X 0201.
        codec = "shift_jis"
    return raw.decode(codec, "replace")


def _decode_undeclared(raw: bytes) -> str:
    """Eight-bit text of which nobody says what it is: UTF-8 if it can be, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _decode_escaped(raw: bytes, first: str, reset: re.Pattern[bytes]) -> str:
    head, *parts = raw.split(b"\x1b")
    return _decode(head, first) + "".join(_decode_part(part, first, reset) for part in parts)


def _decode_part(part: bytes, first: str, reset: re.Pattern[bytes]) -> str:
    """What follows one ESC. The character set falls back to the first at line ends and delimiters (PS3.5 6.1.2.5.3)."""
    length = 2
    codec = _ESCAPES.get(part[:2])
    if codec is None:
        length = 3
        codec = _ESCAPES.get(part[:3])
    if codec is None:
        return "\ufffd" + _decode(part, first)
    body = part[length:]
    if codec in _TWO_BYTE_G0:
        return (b"\x1b" + part).decode(codec, "replace")
    if codec == "ascii":
        return _decode(body, first)
    end = reset.search(body)
    if end is None:
        return body.decode(codec, "replace")
    return body[: end.start()].decode(codec, "replace") + _decode(body[end.start() :], first)
