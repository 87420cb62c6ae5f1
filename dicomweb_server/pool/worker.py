"""One pool process, seen from its owner."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.pool.child import LEFT, Answer, main, revived

Context = ForkServerContext | SpawnContext

_SETTLE_SECONDS = 5.0


class HasLeft(Exception):
    """The process had left for idleness before it took the call: the work was not begun."""


class Worker:
    """One process and the pipe to it. Raises OutOfResources where none can be started."""

    def __init__(self, context: Context, memory: int, idle_seconds: float) -> None:
        ours, theirs = context.Pipe()
        self._pipe: Connection = ours
        self._process: BaseProcess = context.Process(target=main, args=(theirs, memory, idle_seconds), daemon=True)
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
            self._pipe.send(work)
        except OSError as error:
            raise HasLeft from error

    def answer(self, seconds: float) -> Answer | None:
        """What came of the work; None when it is still at it after ``seconds``. Raises HasLeft."""
        end = time.monotonic() + seconds
        try:
            while self._pipe.poll(max(0.0, end - time.monotonic())):
                answer = self._pipe.recv_bytes()
                if answer:
                    return revived(answer)
                self.image_begun = time.monotonic()
            return None
        except (EOFError, OSError):
            self._process.join(_SETTLE_SECONDS)
            code = self._process.exitcode
            if code == LEFT:
                raise HasLeft from None
            return Answer.failed(f"a decoder process died ({_cause(code)})")

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_SETTLE_SECONDS)


def _cause(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
