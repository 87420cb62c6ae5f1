"""Functions that behave badly, for pool processes to run."""

from __future__ import annotations

import os
import signal
import time
from threading import Thread

from dicomweb_server.model.errors import NotReady
from dicomweb_server.pool.base import image_done
from dicomweb_server.pool.processes import ProcessPool


def double(number: int) -> int:
    return number * 2


def own_pid() -> int:
    return os.getpid()


def crash() -> None:
    os.abort()


def break_down(log: str, how: str, *, told: str = "") -> None:
    """Note that it was begun, then crash, hang, or eat too much memory."""
    with open(log, "a") as file:
        file.write(f"{told or os.getpid()}\n")
    if how == "eat":
        eat(2 << 30)
    {"crash": crash, "hang": hang}[how]()


def hang_on(path: str, *given: object, **dressed: object) -> None:
    hang()


def leave() -> None:
    os._exit(3)


def leave_well() -> None:
    os._exit(0)


def hang() -> None:
    while True:
        time.sleep(60)


def own_a_hang(seconds: float) -> None:
    """Print the process that hangs for this one, then die without a word to it."""
    pool = ProcessPool(processes=1, seconds=seconds)
    Thread(target=pool.run_blocking, args=(hang,), daemon=True).start()
    while not pool.pids:
        time.sleep(0.01)
    time.sleep(0.3)  # until it is at it
    print(*pool.pids, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def several(images: int, seconds: float) -> int:
    for _ in range(images):
        time.sleep(seconds)
        image_done()
    return images


def several_of(name: str, images: int, seconds: float) -> int:
    return several(images, seconds)


def eat(size: int) -> int:
    import numpy as np  # the others start quickly

    return int(np.ones(size, np.uint8).sum())


def not_ready() -> None:
    raise NotReady("the image", retry_after=7.0)


def write_too_much() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")


def stumble() -> None:
    raise KeyError("a name that must not leak")


def take(name: str, seconds: float) -> int:
    """Work for a while on something that has a name."""
    time.sleep(seconds)
    return os.getpid()


def begin(log: str, seconds: float) -> int:
    """Work for a while; how often that was begun."""
    with open(log, "a") as file:
        file.write("begun\n")
    time.sleep(seconds)
    with open(log) as file:
        return len(file.readlines())
