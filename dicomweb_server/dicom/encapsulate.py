"""Encapsulated Pixel Data: one fragment a frame, with an offset table (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import IO

_ITEM = struct.Struct("<HHI")
_DELIMITER = _ITEM.pack(0xFFFE, 0xE0DD, 0)
_FARTHEST = 0xFFFFFFFE
"""The last place a basic offset table of 32-bit offsets can name."""


def write_fragments(out: IO[bytes], frames: Iterable[bytes]) -> bytes:
    """Write a fragment for each frame and the sequence delimiter; return the offset table, which stands before them.

    It is empty where 32 bits cannot hold the offsets; one fragment a frame needs none.
    """
    offsets, at = [], 0
    for frame in frames:
        offsets.append(at)
        at += out.write(_item(frame))
    out.write(_DELIMITER)
    return _item(struct.pack(f"<{len(offsets)}I", *offsets) if at <= _FARTHEST else b"")


def _item(value: bytes) -> bytes:
    padded = value + b"\0" if len(value) % 2 else value
    return _ITEM.pack(0xFFFE, 0xE000, len(padded)) + padded
