"""Calls that are attended by the event loop which awaits them: no thread is woken for what takes milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from dicomweb_server.pool.child import Answer
from dicomweb_server.pool.lane import Call
from dicomweb_server.pool.worker import HasLeft, Worker


class Fail(Protocol):
    def __call__(self, call: Call, error: Exception) -> None: ...


@dataclass(frozen=True, slots=True)
class InLoop:
    """What comes of a call within ``patience`` goes to ``settle``."""

    patience: float
    settle: Callable[[Call, Answer], None]
    hand_over: Callable[[Call], None]
    """Whoever goes on with a call that takes longer, or whose process is gone."""
    again: Callable[[Call], None]
    """Whoever begins it with another process, its own being gone before."""
    fail: Fail

    def begin(self, call: Call, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        """To be called in ``loop``, with an idle process."""

        def look() -> None:
            try:
                answer = worker.answer_at_once()
            except HasLeft:
                end(self.hand_over)
            except Exception as error:  # whoever waits for the answer must learn of every failure
                end(partial(self.fail, error=error))
            else:
                if answer is not None:
                    end(lambda call: self.settle(call, answer))

        def end(following: Callable[[Call], None]) -> None:
            loop.remove_reader(worker.fileno())
            impatience.cancel()
            following(call)

        call.worker = worker
        try:
            worker.begin(call.work)
        except HasLeft:
            self.again(call)
        except Exception as error:  # likewise
            self.fail(call, error)
        else:
            loop.add_reader(worker.fileno(), look)
            impatience = loop.call_later(self.patience, end, self.hand_over)
