"""What each child process of the server does, from its first line to its exit code."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

from dicomweb_server import assembly, limits
from dicomweb_server.model.errors import BackendFailed
from dicomweb_server.settings import Settings, SettingsError
from dicomweb_server.supervisor import FAILED_TO_START

log = logging.getLogger(__name__)

ENDING = {signal.SIGTERM, signal.SIGINT}

SWITCH_SECONDS = 0.001
"""Reading rows contends for the interpreter at every step; the default of 5 ms would hold up the loop."""

TRY_AGAIN = 1

BACKGROUND_NICE = 10
"""Workers, and the decoders they start, give way to whoever receives and answers."""


def web(settings: Settings, listening: socket.socket) -> int:
    """Serve HTTP on ``listening`` until SIGTERM; open requests are finished first, within bounds."""
    sys.setswitchinterval(SWITCH_SECONDS)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def serve() -> None:
        with assembly.open_web(settings) as server:

            def end(*_: object) -> None:
                server.should_exit = True

            # uvicorn has handlers of its own while it runs. These catch what came before, and what it raises again
            # when it has ended.
            for number in ENDING:
                signal.signal(number, end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
            server.run(sockets=[listening])

    return _run(serve)


def dimse(settings: Settings) -> int:
    """Receive by C-STORE until SIGTERM; what is being received is finished first, within bounds."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def serve() -> None:
        with assembly.open_dimse(settings) as server:
            server.start()
            signal.sigwait(ENDING)
            server.stop(grace_seconds=settings.http.stop_seconds)

    return _run(serve)


def worker(settings: Settings) -> int:
    """Work off tickets until SIGTERM; the batch at hand is finished first."""
    from dicomweb_server.workers.loop import run_all

    os.nice(BACKGROUND_NICE)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)

    def serve() -> None:
        stop = threading.Event()
        with assembly.open_worker(settings, stop) as workers:
            working = threading.Thread(target=run_all, args=(workers, stop), name="workers")
            working.start()
            signal.sigwait(ENDING)
            stop.set()
            working.join()

    return _run(serve)


def _run(serve: Callable[[], None]) -> int:
    limits.keep_freed_memory()
    limits.raise_open_files()
    try:
        serve()
    except BackendFailed as error:
        log.error("%s", error)
        return TRY_AGAIN if error.passing else FAILED_TO_START
    except (SettingsError, OSError) as error:
        log.error("%s", error)
        return FAILED_TO_START
    return 0
