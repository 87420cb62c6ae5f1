"""A pool of processes that can be killed one by one.

Written here rather than taken from pebble or concurrent.futures: the standard executor breaks as a whole when one
process dies, and pebble keeps its processes for ever and polls its queues. Ours is a pipe for each process: a thread
sends the work, waits for the answer no longer than its limit, and kills that one process otherwise. Processes start on
first use and leave by themselves when nothing came for ``idle_seconds``.

What takes long must not hold up what takes milliseconds, so there are two lanes. A call that has worked for
``patience`` seconds makes way once others wait: it goes on in the slow lane, or begins again there when that is full.
What was slow once is sent there at once, until it is quick.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any, ParamSpec, TypeVar, cast

from dicomweb_server.model.errors import OutOfResources
from dicomweb_server.pool.base import CALLER, Pool
from dicomweb_server.pool.broken import Broken
from dicomweb_server.pool.child import Answer
from dicomweb_server.pool.inloop import InLoop
from dicomweb_server.pool.lane import Call, Lane, closed
from dicomweb_server.pool.worker import Context, HasLeft, Worker

P = ParamSpec("P")
R = TypeVar("R")

MOST_WAITING = 512
"""Calls of requests that may wait for a process: what comes then is told to come again (H-25)."""
PATIENCE_SECONDS = 1.0
BROKEN_SECONDS = 300.0
"""For how long a call is not tried again that hung or broke its process."""
_LOOK_SECONDS = 0.1
_SUSPECTS = 1024


class ProcessPool:
    """At most ``processes`` killable processes in each lane.

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
        patience: float = PATIENCE_SECONDS,
        broken_seconds: float = BROKEN_SECONDS,
    ) -> None:
        self._context = cast(Context, get_context(method))
        if method == "forkserver" and preload:
            self._context.set_forkserver_preload(list(preload))
        self._seconds = seconds
        self._longest_seconds = longest_seconds
        self._memory = memory
        self._idle_seconds = idle_seconds
        self._patience = min(patience, seconds)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._suspects: OrderedDict[str, None] = OrderedDict()
        self._broken = Broken(seconds=broken_seconds)
        self._closed = False
        self._most_waiting = most_waiting + processes
        self._waiting = 0
        self._quick = Lane("quick", processes, self._begin, self._is_known_or_slow, wait_seconds=2 * seconds)
        self._slow = Lane("slow", processes, self._begin_slow, self._is_known, wait_seconds=2 * seconds)
        self._in_loop = InLoop(self._patience, self._settle_here, self._hand_over, self._again, self._quick.refuse)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._waiting >= self._most_waiting:
            raise OutOfResources("too many pictures are being made")
        self._waiting += 1
        try:
            call = self._entered((work, args, kwargs), asyncio.get_running_loop())
            answer = await asyncio.wrap_future(call.answer)
        finally:
            self._waiting -= 1
        return cast(R, answer.result())

    def run_blocking(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self._entered((work, args, kwargs)).answer.result().result())

    def close(self) -> None:
        """Kill what runs; a call on its way raises BackendFailed, which passes."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.kill()
        self._quick.close()
        self._slow.close()

    @property
    def pids(self) -> set[int]:
        """The processes alive now."""
        with self._lock:
            self._all = {worker for worker in self._all if worker.alive}
            return {worker.pid for worker in self._all}

    def _entered(self, work: tuple[Any, ...], loop: asyncio.AbstractEventLoop | None = None) -> Call:
        call = Call(cast(Any, work), CALLER.get(), loop)
        if self._closed:
            raise closed()
        if self._is_known(call):
            return call
        lane = self._slow if call.about in self._suspects else self._quick
        lane.put(call)
        return call

    def _begin(self, call: Call) -> None:
        """In the quick lane: by the loop that awaits the answer where a process is idle, else by a thread."""
        worker = self._idle_one() if call.loop is not None else None
        if call.loop is None or worker is None:
            self._hand_over(call)
        elif _is_running(call.loop):
            self._in_loop.begin(call, call.loop, worker)
        else:
            try:
                call.loop.call_soon_threadsafe(self._in_loop.begin, call, call.loop, worker)
            except RuntimeError:  # the loop has ended meanwhile
                self._give_back(worker)
                self._hand_over(call)

    def _settle_here(self, call: Call, answer: Answer) -> None:
        self._settle(call, answer)
        self._quick.leave()

    def _hand_over(self, call: Call) -> None:
        self._quick.in_thread(self._attend, call)

    def _again(self, call: Call) -> None:
        self._quick.in_thread(self._attend_again, call)

    def _attend_again(self, call: Call) -> None:
        self._drop(call)
        self._attend(call)

    def _attend(self, call: Call) -> None:
        """In a thread of the quick lane; the loop may have begun already."""
        answer = self._first_answer(call)
        while answer is None:
            if self._quick.crowded:
                self._make_way(call)
                return
            answer = self._later_answer(call)
        self._settle(call, answer)

    def _make_way(self, call: Call) -> None:
        self._suspect(call)
        if not self._slow.put_if_free(call):
            self._drop(call)
            call.entered = time.monotonic()
            self._slow.put(call)

    def _begin_slow(self, call: Call) -> None:
        self._slow.in_thread(self._go_on, call)

    def _go_on(self, call: Call) -> None:
        """In the slow lane: with the process that is at it already, or from the start."""
        answer = self._first_answer(call) if call.worker is None else None
        if answer is not None:
            self._trust(call)
        while answer is None:
            answer = self._later_answer(call)
        self._settle(call, answer)

    def _first_answer(self, call: Call) -> Answer | None:
        """What came of the call within the patience of the pool; of one that has a process, what came of it so far."""
        while True:
            try:
                if call.worker is not None:
                    return call.worker.answer(0.0)
                call.worker = self._take()
                call.worker.begin(call.work)
                return call.worker.answer(self._patience)
            except HasLeft:
                self._drop(call)

    def _later_answer(self, call: Call) -> Answer | None:
        """What came of it a little later, or because it took too long."""
        worker = call.worker
        assert worker is not None
        now = time.monotonic()
        if now - worker.image_begun >= self._seconds:
            return Answer.failed(f"killed after {self._seconds:g} seconds of work on one image", lasting=True)
        if now - worker.begun >= self._longest_seconds:
            return Answer.failed(f"killed after {self._longest_seconds:g} seconds of work on many images", lasting=True)
        return worker.answer(_LOOK_SECONDS)

    def _settle(self, call: Call, answer: Answer) -> None:
        worker = call.worker
        if worker is not None and not answer.last:
            self._give_back(worker)
        else:
            self._drop(call)
        if answer.lasting:
            self._broken.add(call, answer)
        call.answer.set_result(answer)

    def _is_known(self, call: Call) -> bool:
        """Whether it is answered by what came of the same call before."""
        answer = self._broken.answer(call)
        if answer is not None:
            call.answer.set_result(answer)
        return answer is not None

    def _is_known_or_slow(self, call: Call) -> bool:
        """The same, or it was found to be slow while it waited: then it goes on waiting among its like."""
        if self._is_known(call):
            return True
        slow = call.about in self._suspects
        if slow:
            self._slow.put(call)
        return slow

    def _suspect(self, call: Call) -> None:
        if call.about is not None:
            with self._lock:
                self._suspects[call.about] = None
                if len(self._suspects) > _SUSPECTS:
                    self._suspects.popitem(last=False)

    def _trust(self, call: Call) -> None:
        if call.about is not None:
            with self._lock:
                self._suspects.pop(call.about, None)

    def _take(self) -> Worker:
        with self._lock:
            if self._closed:
                raise closed()
        idle = self._idle_one()
        if idle is not None:
            return idle
        worker = Worker(self._context, self._memory, self._seconds, self._idle_seconds)
        with self._lock:
            self._all.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def _idle_one(self) -> Worker | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _drop(self, call: Call) -> None:
        worker, call.worker = call.worker, None
        if worker is not None:
            worker.kill()
            with self._lock:
                self._all.discard(worker)


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is called in it."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


_: type[Pool] = ProcessPool
