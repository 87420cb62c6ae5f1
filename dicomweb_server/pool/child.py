"""What runs inside a pool process: take work, do it within the memory limit, answer, leave when idle."""

from __future__ import annotations

import errno
import logging
import pickle
import resource
import signal
import traceback
import warnings
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dicomweb_server import limits
from dicomweb_server.model.errors import BackendFailed, DicomwebError, NoRoom
from dicomweb_server.pool import base
from dicomweb_server.pool.messages import Messages

log = logging.getLogger(__name__)

LEFT = 75
"""Exit code of a process that left for idleness, so that a decoder which ends its process is not taken for one."""
_LATER_SECONDS = 5.0
"""An owner that lives is sooner."""
_KEPT_MEMORY = 64 << 20
"""A few decoded frames, so that drawing the next one faults nothing in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call."""

    value: Any = None
    error: tuple[type[DicomwebError], tuple[Any, ...], dict[str, Any]] | None = None
    last: bool = False
    """The process has ended, or ends after this: its memory cannot be trusted any more."""
    lasting: bool = False
    """The same call would end in the same way, and as late."""

    @classmethod
    def failed(cls, text: str, *, passing: bool = False, lasting: bool = False) -> Answer:
        return cls(error=(BackendFailed, (text,), {"passing": passing}), last=True, lasting=lasting)

    @classmethod
    def of_error(cls, error: DicomwebError) -> Answer:
        # Not the exception itself: those with arguments of their own do not survive pickling
        return cls(error=(type(error), error.args, dict(error.__dict__)))

    def result(self) -> Any:
        """The value, or the error raised again."""
        if self.error is None:
            return self.value
        kind, args, state = self.error
        error = kind.__new__(kind, *args)
        error.args = args
        error.__dict__.update(state)
        raise error


def revived(data: bytes) -> Answer:
    answer: Answer = pickle.loads(data)
    return answer


def main(end: Connection, memory: int, seconds: float, idle_seconds: float) -> None:
    """Answer calls until none comes for ``idle_seconds`` or the owner is gone.

    The owner ends what takes longer than ``seconds`` for one image; where the owner was killed, the kernel does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # What pydicom warns of, it quotes: that is no business of a log
    warnings.simplefilter("ignore")
    limits.keep_freed_memory(_KEPT_MEMORY)
    _limit(memory)
    pipe = Messages(end)
    limit = seconds + _LATER_SECONDS
    base.listeners.extend([partial(_end_after, limit), lambda: pipe.send(b"")])
    try:
        while (call := pipe.wait(idle_seconds)) is not None:
            if not _done(pipe, limit, *pickle.loads(call)):
                return
    except (EOFError, OSError):
        return
    raise SystemExit(LEFT)


def _done(pipe: Messages, limit: float, work: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Do the work and answer; False when it was the last. Raises OSError when the owner is gone."""
    _end_after(limit)
    answer = _answer(work, args, kwargs)
    _end_after(0)
    try:
        pipe.send(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    except MemoryError:
        pipe.send(pickle.dumps(Answer.failed(_TOO_MUCH), pickle.HIGHEST_PROTOCOL))
        return False
    return not answer.last


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_TOO_MUCH = "killed for the memory it needed for one image"


def _answer(work: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    try:
        return Answer(work(*args, **kwargs))
    except DicomwebError as error:
        return Answer.of_error(error)
    except MemoryError:
        return Answer.failed(_TOO_MUCH)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _unforeseen(work, error)
        return Answer.of_error(NoRoom(f"what was made cannot be written: {error.strerror}"))
    except Exception as error:  # whatever a decoder throws must not end in the caller
        return _unforeseen(work, error)


def _unforeseen(work: Any, error: Exception) -> Answer:
    # Not its text: that may quote what was read from a file
    log.error("pool work %s failed: %s%s", getattr(work, "__name__", "?"), type(error).__name__, _place(error))
    return Answer(error=(BackendFailed, (f"{type(error).__name__} in a pool process",), {"passing": False}))


def _end_after(seconds: float) -> None:
    """The kernel ends this process then, whatever it is at; 0 for never."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _place(error: BaseException) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-6:]
    return "".join(f" > {frame.f_globals.get('__name__')}:{frame.f_lineno}" for frame in frames)


def _limit(memory: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
