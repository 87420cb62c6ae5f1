"""Text of every character set (PS3.5 H to K), written down or as pydicom reads it."""

from __future__ import annotations

import pytest

from dicomweb_server.dicom.charset import charset_of, decode, is_known


@pytest.mark.parametrize(
    ("declared", "raw", "text"),
    [
        (b"ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        (b"ISO-IR 100", b"J\xe9", "Jé"),
        (b"UTF8", "山".encode(), "山"),
        (b"ISO_IR 144", b"\xbb\xee", "Лю"),
        (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada=山田^太郎"),
        (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
        (b"GB18030", "Wang=王^小东".encode("gb18030"), "Wang=王^小东"),
        (b"ISO 2022 IR 100\\ISO 2022 IR 144", b"\xe9^\x1b-L\xbb\xee^\xe9", "é^Лю^é"),
    ],
)
def test_names_are_read(declared: bytes, raw: bytes, text: str) -> None:
    assert decode(raw, charset_of(declared), name=True) == text


def test_a_backslash_inside_a_chinese_character_does_not_separate() -> None:
    # The second byte of 俓 is 5CH in GBK.
    raw = "俓".encode("gbk")
    assert b"\\" in raw
    assert decode(raw, charset_of(b"GBK")) == "俓"


@pytest.mark.parametrize(
    ("raw", "text"),
    [("Müller".encode(), "Müller"), (b"M\xfcller", "Müller")],
)
def test_undeclared_text_is_utf_8_if_it_can_be_and_else_latin_1(raw: bytes, text: str) -> None:
    assert decode(raw, charset_of(b"")) == text


@pytest.mark.parametrize(
    ("declared", "raw"),
    [
        (b"ISO_IR 192", b"M\xfcller"),
        (b"\\ISO 2022 IR 87", b"\x1b$B;"),
        (b"GB18030", b"\x81"),
        (b"ISO 2022 IR 6", b"\x1b%Z"),
    ],
)
def test_what_cannot_be_read_is_replaced(declared: bytes, raw: bytes) -> None:
    assert "\ufffd" in decode(raw, charset_of(declared))


@pytest.mark.parametrize(("name", "known"), [("ISO_IR 192", True), ("ISO_IR 6", True), ("ISO_IR 999", False)])
def test_unknown_names_are_told_from_known_ones(name: str, known: bool) -> None:
    assert is_known(name) is known
