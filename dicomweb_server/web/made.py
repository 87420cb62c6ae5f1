"""Bytes that are made of stored objects, as pieces of an answer: a few are held, many read from their file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from dicomweb_server.web.body import Bytes, Made, Piece

BLOCK = 1 << 20

Get = Callable[[], Awaitable[bytes | Path]]
"""Make them, or find them made: the bytes, or a file that may leave when nobody has it open."""


async def piece(get: Get) -> Piece:
    """What is made now, so that what cannot be made is an error and no broken body."""
    found = await get()
    if isinstance(found, bytes):
        return Bytes(found)
    return Made((await asyncio.to_thread(found.stat)).st_size, partial(blocks, get))


async def blocks(get: Get) -> AsyncIterator[bytes]:
    found = await get()
    if isinstance(found, bytes):
        yield found
        return
    descriptor = os.open(found, os.O_RDONLY | os.O_CLOEXEC)
    try:
        place = 0
        while block := await asyncio.to_thread(os.pread, descriptor, BLOCK, place):
            yield block
            place += len(block)
    finally:
        os.close(descriptor)
