"""One pool process, seen from its owner."""

from __future__ import annotations

import pickle
import signal
import time
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.pool.child import LEFT, Answer, main, revived
from dicomweb_server.pool.messages import Messages

Context = ForkServerContext | SpawnContext

_SETTLE_SECONDS = 5.0
_BY_OTHERS = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
"""Nothing that a decoder does to itself: the kernel is short of memory, or somebody ends a service."""


class HasLeft(Exception):
    """The process had left for idleness before it took the call: the work was not begun."""


class Worker:
    """One process and the pipe to it. Raises OutOfResources where none can be started."""

    def __init__(self, context: Context, memory: int, seconds: float, idle_seconds: float) -> None:
        ours, theirs = context.Pipe()
        self._pipe = Messages(ours)
        given = theirs, memory, seconds, idle_seconds
        self._process: BaseProcess = context.Process(target=main, args=given, daemon=True)
        try:
            self._process.start()
        except OSError as error:
            raise OutOfResources("no process could be started") from error
        finally:
            theirs.close()
        self.begun = self.image_begun = 0.0
        """When the work began, and its image: work on many of them says when one is done."""

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def begin(self, work: tuple[Any, ...]) -> None:
        """Raises HasLeft."""
        self.begun = self.image_begun = time.monotonic()
        try:
            self._pipe.send(pickle.dumps(work, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            raise HasLeft from error

    def answer(self, seconds: float) -> Answer | None:
        """What came of the work; None when it is still at it after ``seconds``. Raises HasLeft."""
        end = time.monotonic() + seconds
        try:
            while (answer := self._pipe.wait(end - time.monotonic())) is not None:
                if answer:
                    return revived(answer)
                self.image_begun = time.monotonic()
            return None
        except (EOFError, OSError):
            self._process.join(_SETTLE_SECONDS)
            code = self._process.exitcode
            if code == LEFT:
                raise HasLeft from None
            ended = code is not None and -code in _BY_OTHERS
            return Answer.failed(f"a decoder process died ({_cause(code)})", passing=ended, lasting=not ended)

    def answer_at_once(self) -> Answer | None:
        """What came of the work, if it is there. Raises HasLeft when the process is gone, for whatever reason."""
        try:
            while (answer := self._pipe.take()) is not None:
                if answer:
                    return revived(answer)
                self.image_begun = time.monotonic()
            return None
        except (EOFError, OSError):
            raise HasLeft from None

    def fileno(self) -> int:
        """Readable when something of an answer has come, or the process is gone."""
        return self._pipe.fileno()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_SETTLE_SECONDS)


def _cause(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
