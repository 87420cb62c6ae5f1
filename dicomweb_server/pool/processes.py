"""A pool of processes that can be killed one by one.

Written here rather than taken from pebble or concurrent.futures: the standard executor breaks as a whole when one
process dies, and pebble keeps its processes for ever and polls its queues. Ours is a pipe for each process: the
calling thread sends the work, waits for the answer no longer than its limit, and kills that one process otherwise.
Processes start on first use and leave by themselves when nothing came for ``idle_seconds``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar, cast

from dicomweb_server.model.errors import BackendFailed, OutOfResources
from dicomweb_server.pool.base import Pool
from dicomweb_server.pool.child import Answer, main, revived

P = ParamSpec("P")
R = TypeVar("R")

_Context = ForkServerContext | SpawnContext

_SETTLE_SECONDS = 5.0
MOST_WAITING = 512
"""Calls of requests that may wait for a process: what comes then is told to come again (H-25)."""


class ProcessPool:
    """At most ``processes`` killable processes.

    Each may take ``memory`` bytes of address space beyond what it starts with, and ``seconds`` for one image; a call
    that works on many, ``longest_seconds`` for all. The pool must be made before the process that owns it starts
    threads only if ``method`` is spawn: a fork server is safe.
    """

    def __init__(
        self,
        *,
        processes: int = 2,
        seconds: float = 30.0,
        longest_seconds: float = 600.0,
        memory: int = 2 << 30,
        idle_seconds: float = 60.0,
        method: str = "forkserver",
        preload: Sequence[str] = (),
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._context = cast(_Context, get_context(method))
        if method == "forkserver" and preload:
            self._context.set_forkserver_preload(list(preload))
        self._seconds = seconds
        self._longest_seconds = longest_seconds
        self._memory = memory
        self._idle_seconds = idle_seconds
        self._free = threading.BoundedSemaphore(processes)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False
        self._most_waiting = most_waiting + processes
        self._waiting = 0
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="pool")

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= self._most_waiting:
            raise OutOfResources("too many pictures are being made")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(self.run_blocking, work, *args, **kwargs))
        finally:
            self._waiting -= 1

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with self._free:
            return cast(R, self._answer((work, args, kwargs)).result())

    def close(self) -> None:
        """Kill what runs; a call on its way raises BackendFailed."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=True)

    @property
    def pids(self) -> set[int]:
        """The processes alive now."""
        with self._lock:
            self._all = {worker for worker in self._all if worker.alive}
            return {worker.pid for worker in self._all}

    def _answer(self, call: tuple[Any, ...]) -> Answer:
        while True:
            worker = self._take()
            answer = worker.ask(call, self._seconds, self._longest_seconds)
            if answer is None:
                # It left for idleness just as the work was sent: the work was not begun
                self._drop(worker)
                continue
            if worker.alive and not answer.last:
                self._give_back(worker)
            else:
                self._drop(worker)
            return answer

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise BackendFailed("the pool is closed")
            if self._idle:
                return self._idle.pop()
        worker = _Worker(self._context, self._memory, self._idle_seconds)
        with self._lock:
            self._all.add(worker)
        return worker

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def _drop(self, worker: _Worker) -> None:
        worker.kill()
        with self._lock:
            self._all.discard(worker)


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, context: _Context, memory: int, idle_seconds: float) -> None:
        ours, theirs = context.Pipe()
        self._pipe: Connection = ours
        self._process: BaseProcess = context.Process(target=main, args=(theirs, memory, idle_seconds), daemon=True)
        try:
            self._process.start()
        except OSError as error:
            raise OutOfResources("no process could be started") from error
        finally:
            theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def ask(self, call: tuple[Any, ...], seconds: float, longest: float) -> Answer | None:
        """The answer to ``call``; None when the process had left before it took the call."""
        try:
            self._pipe.send(call)
        except OSError:
            return None
        try:
            began = time.monotonic()
            while self._pipe.poll(seconds):
                answer = self._pipe.recv_bytes()
                if answer:
                    return revived(answer)
                if time.monotonic() - began > longest:
                    self.kill()
                    return Answer.failed(f"killed after {longest:g} seconds of work on many images")
            self.kill()
            return Answer.failed(f"killed after {seconds:g} seconds of work on one image")
        except (EOFError, OSError):
            self._process.join(_SETTLE_SECONDS)
            if self._process.exitcode == 0:
                return None
            return Answer.failed(f"a decoder process died ({_cause(self._process.exitcode)})")

    def kill(self) -> None:
        self._process.kill()
        self._process.join(_SETTLE_SECONDS)


def _cause(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"


_: type[Pool] = ProcessPool
