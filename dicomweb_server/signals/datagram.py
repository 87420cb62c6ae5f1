"""Wake-up calls between the processes of one machine: Unix datagrams in a folder.

Whoever waits has a socket there; whoever announces sends to every socket it finds. A full or dead socket is passed
over: signals are lossy by contract.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.signals.base import Signals

LONGEST_PATH = 100
"""Bytes of a socket's path; the kernel takes 107."""
LONGEST_MESSAGE = 1024


class DatagramSignals:
    """``folder`` is shared by all processes of one server. Each waiting thread has a socket of its own.

    The folder goes with the last who closes, and comes again with the next who waits. Raises BackendFailed when it lies
    where all may write and somebody else has made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = _short(folder)
        self._in_public = self.folder != folder
        self._make_folder()
        self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._listening = threading.local()
        self._bound: list[tuple[socket.socket, Path]] = []
        self._lock = threading.Lock()

    def announce(self, topic: str, key: str = "") -> None:
        message = f"{topic}\n{key}".encode()[:LONGEST_MESSAGE]
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                self._send(message, Path(entry.path))

    def wait(self, topics: Sequence[str], *, timeout_seconds: float) -> tuple[str, str] | None:
        listening = self._socket()
        deadline = time.monotonic() + timeout_seconds
        while True:
            left = deadline - time.monotonic()
            if not select.select([listening], [], [], max(0.0, left))[0]:
                return None
            topic, _, key = listening.recv(LONGEST_MESSAGE).decode(errors="replace").partition("\n")
            if topic in topics:
                return topic, key

    def close(self) -> None:
        with self._lock:
            for listening, path in self._bound:
                listening.close()
                path.unlink(missing_ok=True)
            self._bound.clear()
        self._sender.close()
        with contextlib.suppress(OSError):  # others still listen
            self.folder.rmdir()

    def _send(self, message: bytes, path: Path) -> None:
        try:
            self._sender.sendto(message, str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):  # its process is gone
                path.unlink()
        except OSError:
            pass

    def _socket(self) -> socket.socket:
        found: socket.socket | None = getattr(self._listening, "socket", None)
        if found is None:
            found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            path = self.folder / f"{os.getpid()}-{threading.get_ident():x}-{time.monotonic_ns():x}"
            self._bind(found, path)
            self._listening.socket = found
            with self._lock:
                self._bound.append((found, path))
        return found

    def _bind(self, listening: socket.socket, path: Path) -> None:
        """The folder may go at any moment while there is no socket in it, but not from then on."""
        while True:
            try:
                listening.bind(str(path))
                return
            except FileNotFoundError:
                self._make_folder()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            if self._in_public:
                _check_own(self.folder)


def _short(folder: Path) -> Path:
    """``folder``, or where its path is too long for sockets a short one that stands for it."""
    if len(os.fsencode(folder)) + 50 <= LONGEST_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"dicomweb-{os.getuid()}-{digest}"


def _check_own(folder: Path) -> None:
    try:
        found = folder.lstat()
    except FileNotFoundError:  # its last one has left
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BackendFailed(f"{folder} is there already and not a folder of this user alone; remove it")


_: type[Signals] = DatagramSignals
