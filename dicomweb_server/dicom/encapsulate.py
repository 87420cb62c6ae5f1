"""Encapsulated Pixel Data: one fragment a frame, with an offset table (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

_ITEM = struct.Struct("<HHI")
_DELIMITER = _ITEM.pack(0xFFFE, 0xE0DD, 0)
_FARTHEST = 0xFFFFFFFE
"""The last place a basic offset table of 32-bit offsets can name."""


def encapsulate(frames: Sequence[bytes]) -> bytes:
    """The value of (7FE0,0010): offset table, a fragment for each frame, sequence delimiter.

    The offset table is left empty where 32 bits cannot hold the offsets; one fragment a frame needs none.
    """
    return b"".join((_table(frames), *(_item(frame) for frame in frames), _DELIMITER))


def encapsulated_to(out: IO[bytes], frames: Sequence[bytes]) -> None:
    """The same, written."""
    out.write(_table(frames))
    for frame in frames:
        out.write(_item(frame))
    out.write(_DELIMITER)


def _table(frames: Sequence[bytes]) -> bytes:
    offsets, at = [], 0
    for frame in frames:
        offsets.append(at)
        at += _ITEM.size + len(frame) + len(frame) % 2
    return _item(struct.pack(f"<{len(offsets)}I", *offsets) if at <= _FARTHEST else b"")


def _item(value: bytes) -> bytes:
    padded = value + b"\0" if len(value) % 2 else value
    return _ITEM.pack(0xFFFE, 0xE000, len(padded)) + padded
