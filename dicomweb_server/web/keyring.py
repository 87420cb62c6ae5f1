"""The keys that are good now: the file is looked at again when it changes, so a key can be withdrawn at any time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from dicomweb_server.model import access
from dicomweb_server.model.access import Key

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Keyring:
    """Raises ValueError or OSError where the file cannot be read at first; later the last good keys stay."""

    def __init__(self, file: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._now = now
        self._looked = now()
        self._stamp = self._stamped()
        self._keys = self._read()

    def find(self, secret: str) -> Key | None:
        """Found by its digest: how long that takes tells nothing of any key."""
        self._refresh()
        return self._keys.get(access.digest_of(secret))

    def _refresh(self) -> None:
        if self._now() - self._looked < LOOK_SECONDS:
            return
        self._looked = self._now()
        try:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._keys, self._stamp = self._read(), stamp
                log.info("%d keys are good now", len(self._keys))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log.error("the file of keys cannot be read, so those before stay good: %s", reason)

    def _stamped(self) -> tuple[int, int, int]:
        found = self._file.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> dict[str, Key]:
        return access.parsed(self._file.read_text("utf-8"))
