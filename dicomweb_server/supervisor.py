"""Keeps the roles running: one small parent, a child process for each role.

The parent has one thread, no loop and no database, so it may fork at any time; children share what it has imported.
A child that dies is started again, more slowly the faster it dies; the others never notice.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dicomweb_server.observe import name_process

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
SHORT_LIFE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0

FAILED_TO_START = 70
"""A child's exit code that says: not now, not later. The whole server ends, unless that role had run before."""


@dataclass(slots=True)
class Role:
    """A child to keep. ``main`` runs in the child and returns its exit code."""

    name: str
    main: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    """When it is to be started again, while it has no process."""
    had_lived: bool = False
    """What ran once can run again: whatever keeps it from starting now, the others serve on meanwhile."""


@dataclass(slots=True)
class Supervisor:
    roles: Sequence[Role]
    stop_seconds: float = 30.0
    """How long children may take to end after SIGTERM."""
    _ending: bool = field(default=False, init=False)

    def run(self) -> int:
        """Keep every role running until SIGTERM or SIGINT; the exit code for the whole server."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        gc.collect()
        gc.freeze()
        for role in self.roles:
            self._start(role)
        code = self._watch()
        self._end()
        return code

    def _watch(self) -> int:
        while True:
            arrived = signal.sigtimedwait(WATCHED, self._next_due())
            if arrived is not None and arrived.si_signo in (signal.SIGTERM, signal.SIGINT):
                log.info("ending")
                return 0
            for role, status in self._reap():
                if status == FAILED_TO_START and not role.had_lived:
                    log.error("%s cannot start", role.name)
                    return 1
                self._plan(role, status)
            for role in self.roles:
                if not role.pid and role.due <= time.monotonic():
                    self._start(role)

    def _next_due(self) -> float:
        waiting = [role.due for role in self.roles if not role.pid]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else 3600.0

    def _start(self, role: Role) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        role.started = time.monotonic()
        try:
            role.pid = os.fork()
        except OSError as error:
            self._later(role, f"{role.name} cannot be started: {error.strerror}")
            return
        if role.pid:
            log.info("%s runs as process %d", role.name, role.pid)
            return
        os._exit(_child(role, parent))

    def _plan(self, role: Role, status: int) -> None:
        """Start it again: at once if it had lived, later and later if it keeps dying."""
        lived = time.monotonic() - role.started
        role.had_lived |= lived > SHORT_LIFE_SECONDS
        self._later(role, f"{role.name} ended ({_how(status)}) after {lived:.0f} s")

    def _later(self, role: Role, what: str) -> None:
        lived = time.monotonic() - role.started
        role.pause = 0.0 if lived > SHORT_LIFE_SECONDS else min(max(0.5, role.pause * 2), LONGEST_PAUSE_SECONDS)
        role.due = time.monotonic() + role.pause
        log.error("%s; starting it again in %.1f s", what, role.pause)

    def _reap(self) -> list[tuple[Role, int]]:
        ended = []
        for role in self.roles:
            if role.pid:
                pid, status = os.waitpid(role.pid, os.WNOHANG)
                if pid:
                    role.pid = 0
                    ended.append((role, os.waitstatus_to_exitcode(status)))
        return ended

    def _end(self) -> None:
        """SIGTERM to all and time to finish; SIGKILL to whoever takes too long, at once on a second signal."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + self.stop_seconds
        while any(role.pid for role in self.roles):
            arrived = signal.sigtimedwait(WATCHED, max(0.0, deadline - time.monotonic()))
            if arrived is None or arrived.si_signo != signal.SIGCHLD:
                self._signal(signal.SIGKILL)
                deadline = time.monotonic() + 5.0
            self._reap()

    def _signal(self, number: signal.Signals) -> None:
        for role in self.roles:
            if role.pid:
                os.kill(role.pid, number)


def _child(role: Role, parent: int) -> int:
    """Run ``role`` in the new process; die with the parent, however that dies."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:
            return 1
        for number in WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        name_process(role.name)
        return role.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        log.exception("%s failed", role.name)
        return 1
    finally:
        logging.shutdown()


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
