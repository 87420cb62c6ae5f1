"""The DICOM port: accepts connections, caps them before any thread starts, and gives each association its thread."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass

from dicomweb_server.dimse.admission import LIMIT_REACHED, TitleRules
from dicomweb_server.dimse.association import Association, Rules, Timing
from dicomweb_server.dimse.contexts import ContextRules
from dicomweb_server.dimse.pdus import rejection
from dicomweb_server.dimse.store import Receives, StoreHandler

log = logging.getLogger(__name__)

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_BREATH_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    associations: int = 100
    per_peer: int = 32
    """From one address."""
    turned_away: int = 64
    """Connections over the caps that are kept for a moment, to be told so; more are closed without a word."""
    turned_away_seconds: float = 5.0


class Server:
    """A C-ECHO and C-STORE SCP. ``start`` returns when the port is open; ``stop`` when every association is over."""

    def __init__(
        self,
        receive: Receives,
        *,
        host: str = "127.0.0.1",
        port: int = 11112,
        titles: TitleRules,
        contexts: ContextRules | None = None,
        timing: Timing | None = None,
        caps: Caps | None = None,
        pdu_size: int = 128 * 1024,
        data_set_size: int = 8 << 30,
    ) -> None:
        self._host, self._port = host, port
        self._caps = caps or Caps()
        self._store = StoreHandler(receive, data_set_size)
        self._rules = Rules(
            titles=titles, contexts=contexts or ContextRules(), timing=timing or Timing(), pdu_size=pdu_size
        )
        self._lock = threading.Lock()
        self._running: dict[threading.Thread, Association] = {}
        self._per_peer: Counter[str] = Counter()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port listened on; after ``start`` the real one where 0 was asked for."""
        return self._port

    @property
    def associations(self) -> int:
        """How many are open now."""
        return len(self._running)

    def start(self) -> None:
        """Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listening = socket.create_server((self._host, self._port), family=family, backlog=128)
        self._listening.setblocking(False)
        self._port = self._listening.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        door = _Door(self._caps)
        door.selector.register(self._woken, selectors.EVENT_READ)
        door.open(self._listening)
        self._door = threading.Thread(target=self._keep, args=(door,), name="dimse-door", daemon=True)
        self._door.start()

    def stop(self, *, grace_seconds: float = 30.0) -> None:
        """Accept no more, let running messages finish and be answered, abort what is idle; bounded."""
        self._stopping = True
        self._wake.close()
        self._door.join()
        with self._lock:
            running = dict(self._running)
        for association in running.values():
            association.end()
        _join(running, grace_seconds)
        for thread, association in running.items():
            if thread.is_alive():
                association.cut()
        _join(running, 2.0)

    def _keep(self, door: _Door) -> None:
        while not self._stopping:
            for key, _ in door.selector.select(_BREATH_SECONDS if door.busy else None):
                if key.fileobj is self._listening:
                    self._accept(door)
                elif isinstance(key.fileobj, socket.socket) and key.fileobj is not self._woken:
                    door.tell(key.fileobj)
            door.tidy(self._listening)
        door.close()
        self._woken.close()
        self._listening.close()

    def _accept(self, door: _Door) -> None:
        try:
            sock, peer = self._listening.accept()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                log.error("no more files or memory for connections; waiting")
                door.shut(self._listening)
            return
        address = str(peer[0]).removeprefix("::ffff:")
        if not self._admit(sock, address):
            door.turn_away(sock)

    def _admit(self, sock: socket.socket, address: str) -> bool:
        """Start the thread of a new association, if the caps allow one."""
        with self._lock:
            if len(self._running) >= self._caps.associations or self._per_peer[address] >= self._caps.per_peer:
                log.warning("connection from %s refused: %s", address, LIMIT_REACHED.text)
                return False
            association = Association(sock, address, self._rules, self._store)
            thread = threading.Thread(
                target=self._run, args=(association, address), name=f"dimse-{address}", daemon=True
            )
            self._running[thread] = association
            self._per_peer[address] += 1
        try:
            thread.start()
        except RuntimeError:
            self._forget(thread, address)
            log.error("no thread for the connection from %s", address)
            return False
        return True

    def _run(self, association: Association, address: str) -> None:
        try:
            association.run()
        finally:
            self._forget(threading.current_thread(), address)

    def _forget(self, thread: threading.Thread, address: str) -> None:
        with self._lock:
            del self._running[thread]
            self._per_peer[address] -= 1
            if not self._per_peer[address]:
                del self._per_peer[address]


class _Door:
    """What the accepting thread watches: the listening socket, and connections turned away but not yet told."""

    def __init__(self, caps: Caps) -> None:
        self.selector = selectors.DefaultSelector()
        self._caps = caps
        self._turned_away: dict[socket.socket, float] = {}
        self._shut_until: float | None = None

    @property
    def busy(self) -> bool:
        """Whether there is something to do though nothing comes."""
        return bool(self._turned_away) or self._shut_until is not None

    def open(self, listening: socket.socket) -> None:
        self.selector.register(listening, selectors.EVENT_READ)
        self._shut_until = None

    def shut(self, listening: socket.socket) -> None:
        """Accept nothing for a breath; the kernel's backlog holds who waits."""
        self.selector.unregister(listening)
        self._shut_until = time.monotonic() + _BREATH_SECONDS

    def turn_away(self, sock: socket.socket) -> None:
        """Keep the connection until its request is here: a rejection before it would be lost in the reset."""
        if len(self._turned_away) >= self._caps.turned_away:
            sock.close()
            return
        sock.setblocking(False)
        self._turned_away[sock] = time.monotonic() + self._caps.turned_away_seconds
        self.selector.register(sock, selectors.EVENT_READ)

    def tell(self, sock: socket.socket) -> None:
        try:
            if sock.recv(1 << 20):
                sock.send(rejection(LIMIT_REACHED.result, LIMIT_REACHED.source, LIMIT_REACHED.reason))
        except OSError:
            pass  # gone by itself
        self._drop(sock)

    def tidy(self, listening: socket.socket) -> None:
        now = time.monotonic()
        for sock in [sock for sock, until in self._turned_away.items() if until < now]:
            self._drop(sock)
        if self._shut_until is not None and self._shut_until <= now:
            self.open(listening)

    def close(self) -> None:
        for sock in list(self._turned_away):
            self._drop(sock)
        self.selector.close()

    def _drop(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        del self._turned_away[sock]
        sock.close()


def _join(threads: dict[threading.Thread, Association], seconds: float) -> None:
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
