"""What a process asks of the machine at its start: memory kept between frames, enough open files."""

from __future__ import annotations

import ctypes
import resource

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
OPEN_FILES = 65536


def keep_freed_memory(most: int = 256 << 20) -> None:
    """Stop glibc from giving a frame's memory back after each frame: faulting it in again costs more than sending it.

    At most ``most`` bytes stay. Other C libraries have no mallopt and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, most)
        mallopt(M_TOP_PAD, 16 << 20)


def raise_open_files() -> None:
    """Take as many open files as the hard limit gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
