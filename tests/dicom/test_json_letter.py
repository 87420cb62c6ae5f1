"""The DICOM JSON model by the letter of PS3.18 Annex F, on a data set made for it, byte by byte (J-01 to J-32)."""

from __future__ import annotations

import base64
import struct
from typing import cast

import orjson

from dicomweb_server.dicom.derive import derive
from dicomweb_server.dicom.source import BytesSource

LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
CT = b"1.2.840.10008.5.1.4.1.1.2"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element in Explicit VR Little Endian, its value padded to an even length."""
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB", b"UN") else b" "
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    length = struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return head + length + value


def item(*elements: bytes) -> bytes:
    content = b"".join(elements)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def described(*elements: bytes) -> dict[str, object]:
    """The metadata of a Part 10 file of these elements, as it is served."""
    given = {struct.unpack_from("<HH", each): each for each in elements}
    needed = {
        (0x0008, 0x0016): element(0x00080016, b"UI", CT),
        (0x0008, 0x0018): element(0x00080018, b"UI", b"1.2.3.4"),
        (0x0020, 0x000D): element(0x0020000D, b"UI", b"1.2"),
        (0x0020, 0x000E): element(0x0020000E, b"UI", b"1.2.3"),
    }
    data_set = b"".join(each for _, each in sorted({**needed, **given}.items()))
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1")
    meta = element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta
    found = derive(BytesSource(bytes(128) + b"DICM" + meta + data_set), tenant="default")
    read: dict[str, object] = orjson.loads(found.metadata_json)
    assert list(read) == sorted(read), "J-01: members in ascending order"
    assert all(len(tag) == 8 and tag == tag.upper() for tag in read)
    return read


def test_the_letter_of_the_json_model() -> None:
    private = element(0x00231001, b"LO", b"kept")
    read = described(
        element(0x00080000, b"UL", struct.pack("<I", 9)),
        element(0x00080005, b"CS", b"ISO_IR 192"),
        element(0x00080008, b"CS", b"ORIGINAL\\\\AXIAL"),
        element(0x00080050, b"SH", b""),
        element(0x00081030, b"LO", b"  both  "),
        element(0x00081032, b"SQ", b""),
        element(0x00081110, b"SQ", item() + item(element(0x00230010, b"LO", b"ACME"), private)),
        element(0x00100010, b"PN", "Li^Na==り^な\\".encode()),
        element(0x00104000, b"LT", b"  two\r\nlines \\ one value "),
        element(0x00101030, b"DS", b"070.50\\\\1e400"),
        element(0x00180050, b"DS", b"1.0000000000000000000001"),
        element(0x00189087, b"FD", struct.pack("<3d", float("nan"), 0.1, float("inf"))),
        element(0x00181114, b"DS", b"2"),
        element(0x00200013, b"IS", b"007"),
        element(0x00230010, b"LO", b"ACME"),
        element(0x00231001, b"SV", struct.pack("<2q", 2**53, 5)),
        element(0x00231002, b"OW", struct.pack("<2H", 1, 2)),
        element(0x00231003, b"AT", struct.pack("<2H", 0x10, 0xABCD)),
        element(0x00231004, b"FL", struct.pack("<f", 0.1)),
    )
    assert "00080000" not in read
    assert not any(tag.startswith("0002") for tag in read)
    assert read["00080008"] == {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}, "J-03"
    assert read["00080050"] == {"vr": "SH"}, "J-02"
    assert read["00081032"] == {"vr": "SQ"}, "J-02"
    nested = {"00230010": {"vr": "LO", "Value": ["ACME"]}, "00231001": {"vr": "LO", "Value": ["kept"]}}
    assert read["00081110"] == {"vr": "SQ", "Value": [{}, nested]}, "J-04, J-30"
    assert read["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Li^Na", "Phonetic": "り^な"}, None],
    }, "J-06"
    assert read["00104000"] == {"vr": "LT", "Value": ["  two\r\nlines \\ one value"]}, "J-10"
    assert read["00101030"] == {"vr": "DS", "Value": [70.5, None, "1e400"]}, "J-03, J-07"
    assert read["00180050"] == {"vr": "DS", "Value": ["1.0000000000000000000001"]}, "J-07: precision is not lost"
    assert read["00189087"] == {"vr": "FD", "Value": [None, 0.1, None]}, "J-09"
    assert read["00200013"] == {"vr": "IS", "Value": [7]}, "J-07"
    assert read["00231001"] == {"vr": "SV", "Value": [str(2**53), 5]}, "J-08"
    inline = base64.b64encode(struct.pack("<2H", 1, 2)).decode()
    assert read["00231002"] == {"vr": "OW", "InlineBinary": inline}, "J-12, J-21"
    assert read["00231003"] == {"vr": "AT", "Value": ["0010ABCD"]}, "J-05"
    assert read["00231004"] == {"vr": "FL", "Value": [0.1]}, "J-09: the shortest text of the float"


def test_of_an_element_that_is_there_twice_the_last_counts() -> None:
    """J-32"""
    twice = element(0x00081030, b"LO", b"first") + element(0x00081030, b"LO", b"last")
    assert described(twice)["00081030"] == {"vr": "LO", "Value": ["last"]}


def test_the_byte_of_the_backslash_parts_values_whatever_it_shows() -> None:
    """J-11: in JIS X 0201 it shows a yen sign. In free text it is data."""
    read = described(
        element(0x00080005, b"CS", b"ISO_IR 13"),
        element(0x00081030, b"LO", b"a\\b"),
        element(0x00100010, b"PN", b"A^B\\C"),
        element(0x00104000, b"LT", b"a\\b"),
    )
    assert read["00081030"] == {"vr": "LO", "Value": ["a", "b"]}
    assert read["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "A^B"}, {"Alphabetic": "C"}]}
    (text,) = cast(list[str], cast(dict[str, object], read["00104000"])["Value"])
    assert text in ("a\\b", "a¥b")


def test_unknown_elements_are_read_where_their_content_is_known() -> None:
    """J-31: implicit VR little endian inside, and a sequence where the length is undefined (PS3.5 6.2.2)."""
    delimited = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    inside = struct.pack("<HHI", 0x0008, 0x1155, 6) + b"1.2.3\0"
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inside + delimited
    undefined = struct.pack("<2sHI", b"UN", 0, 0xFFFFFFFF) + items
    read = described(
        struct.pack("<HH", 0x0008, 0x1140) + undefined,
        element(0x00100020, b"UN", b"ID17"),
        element(0x00230010, b"LO", b"ACME"),
        struct.pack("<HH", 0x0023, 0x1001) + undefined,
        element(0x00280010, b"UN", struct.pack("<H", 5)),
    )
    sequence = {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}
    assert read["00081140"] == sequence
    assert read["00231001"] == sequence
    assert read["00100020"] == {"vr": "LO", "Value": ["ID17"]}
    assert read["00280010"] == {"vr": "US", "Value": [5]}
