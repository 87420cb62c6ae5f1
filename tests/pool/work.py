"""Functions that behave badly, for pool processes to run."""

from __future__ import annotations

import os
import time

import numpy as np

from dicomweb_server.model.errors import NotReady
from dicomweb_server.pool.base import image_done


def double(number: int) -> int:
    return number * 2


def own_pid() -> int:
    return os.getpid()


def crash() -> None:
    os.abort()


def leave() -> None:
    os._exit(3)


def hang() -> None:
    while True:
        time.sleep(60)


def several(images: int, seconds: float) -> int:
    for _ in range(images):
        time.sleep(seconds)
        image_done()
    return images


def eat(size: int) -> int:
    return int(np.ones(size, np.uint8).sum())


def not_ready() -> None:
    raise NotReady("the image", retry_after=7.0)


def stumble() -> None:
    raise KeyError("a name that must not leak")
