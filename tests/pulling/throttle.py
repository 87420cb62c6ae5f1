"""A slow line: a TCP proxy with a rate and a delay, that counts what came through."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CHUNK = 16 << 10


@dataclass(slots=True)
class Line:
    """``bits_per_second`` and half of ``round_trip_seconds`` hold each way, for all connections together."""

    target: int
    bits_per_second: float
    round_trip_seconds: float
    port: int = 0
    down: int = 0
    """Bytes that came from the target."""
    _free: dict[str, float] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [self._way("up", reader, there_writer), self._way("down", there_reader, writer)]
        await asyncio.gather(*ways, return_exceptions=True)

    async def _way(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What is read is due when the line has carried it, and arrives half a round trip later."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        delivery = asyncio.ensure_future(self._deliver(on_the_way, writer))
        try:
            while block := await reader.read(CHUNK):
                begins = max(time.monotonic(), self._free.get(name, 0.0))
                ends = begins + len(block) * 8 / self.bits_per_second
                self._free[name] = ends
                await on_the_way.put((ends + self.round_trip_seconds / 2, block))
                if name == "down":
                    self.down += len(block)
                await asyncio.sleep(max(0.0, ends - time.monotonic()))
        finally:
            await on_the_way.put((time.monotonic(), b""))
            await delivery

    async def _deliver(self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, block = await on_the_way.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not block:
                writer.close()
                return
            writer.write(block)
            await writer.drain()


@contextmanager
def slow_line(target: int, *, bits_per_second: float = 5e6, round_trip_seconds: float = 0.2) -> Iterator[Line]:
    """A line to a port of this machine; its own port is ``port``."""
    line = Line(target, bits_per_second, round_trip_seconds)
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await ended.wait()

    ended = asyncio.Event()

    def main() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=main, name="slow line")
    thread.start()
    started.wait(10)
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
