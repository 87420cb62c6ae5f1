"""Whether reading a file has to wait for a disk, or is only a copy: that decides where it is read."""

from __future__ import annotations

import errno
import os

_PROBES = [bytearray(1)]
_NOT_NOW = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL})


def is_in_memory(descriptor: int, start: int, end: int) -> bool:
    """Whether both ends are, which tells of the rest: files are read ahead and written whole. Raises OSError."""
    if start >= end:
        return True
    try:
        first = os.preadv(descriptor, _PROBES, start, os.RWF_NOWAIT)
        return first == 1 == os.preadv(descriptor, _PROBES, end - 1, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in _NOT_NOW:
            return False
        raise
