"""Preamble and group 2 of a file whose data set is to follow as received (PS3.10 7.1)."""

from __future__ import annotations

import struct

IMPLEMENTATION_CLASS_UID = "2.25.281469041226873571193468719402335172837"
IMPLEMENTATION_VERSION_NAME = "DICOMWEB_SERVER"


def file_meta(
    sop_class: str,
    sop_instance: str,
    transfer_syntax: str,
    *,
    source_aet: str,
    sending_aet: str,
    receiving_aet: str,
) -> bytes:
    elements = b"".join(
        (
            struct.pack("<HH2sHIH", 2, 1, b"OB", 0, 2, 0x0100),
            _element(0x02, b"UI", sop_class),
            _element(0x03, b"UI", sop_instance),
            _element(0x10, b"UI", transfer_syntax),
            _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
            _element(0x16, b"AE", source_aet),
            _element(0x17, b"AE", sending_aet),
            _element(0x18, b"AE", receiving_aet),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
