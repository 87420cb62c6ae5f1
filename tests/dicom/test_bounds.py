"""What one data set may cost to read, in whatever form its elements come."""

from __future__ import annotations

import struct

import pytest

from dicomweb_server.dicom import walk as walking
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.walk import walk
from dicomweb_server.model.errors import Rejected

MOST = 1 << 20


def explicit(length: int) -> bytes:
    return struct.pack("<HH2sH", 0x0010, 0x4000, b"LT", length) + b"a" * length


def implicit(length: int) -> bytes:
    return struct.pack("<HHI", 0x0010, 0x4000, length) + b"a" * length


def in_items(content: bytes, number: int) -> bytes:
    """Each in an item of undefined length."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + content + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + item * number


@pytest.mark.parametrize("times", [0.9, 1.1])
@pytest.mark.parametrize(
    ("form", "length", "nested"),
    [
        ("explicit", 100, False),
        ("explicit", 4000, False),
        ("explicit", 65_000, False),
        ("implicit", 4000, False),
        ("implicit", 60_000, False),
        ("explicit", 4000, True),
        ("explicit", 60_000, True),
    ],
)
def test_attributes_are_counted_as_they_come(
    monkeypatch: pytest.MonkeyPatch, form: str, length: int, nested: bool, times: float
) -> None:
    """Those of up to 4096 bytes were not, so that a long file of them took all memory."""
    monkeypatch.setattr(walking, "MAX_KEPT", MOST)
    one = (explicit if form == "explicit" else implicit)(length)
    number = int(MOST * times) // length
    data = in_items(one, number) if nested else one * number
    if times > 1:
        with pytest.raises(Rejected, match="larger"):
            walk(BytesSource(data), explicit=form == "explicit")
    else:
        assert not walk(BytesSource(data), explicit=form == "explicit").cut_off


def test_elements_in_items_without_length_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_ELEMENTS", 1000)
    with pytest.raises(Rejected, match="more elements"):
        walk(BytesSource(in_items(explicit(4), 1500)))
